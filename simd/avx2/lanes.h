// AVX2 + FMA + F16C conversions for the shared bodies (simd/wide/lanes.h).
#pragma once

#include <immintrin.h>

#include "simd/avx2/isa.h"
#include "simd/wide/exp2-inl.h"
#include "simd/wide/lanes.h"

namespace lowkey::simd::wide {
namespace {

template <>
struct Lanes<xsimd::fma3<xsimd::avx2>> {
  using V = Vec<xsimd::fma3<xsimd::avx2>>;
  using Float = V;
  using Pairs = xsimd::batch<int32_t, xsimd::fma3<xsimd::avx2>>;
  static constexpr int kAccumulators = 12;

  static V f16(const uint16_t* p) { return _mm256_cvtph_ps(load16(p)); }
  static V bf16(const uint16_t* p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(p)), 16));
  }
  static V i8(const int8_t* p) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load8(p))); }
  static V nibble(const uint8_t* p, int shift) {
    const __m256i bytes = _mm256_srli_epi32(_mm256_cvtepu8_epi32(load8(p)), shift);
    const __m256i codes = _mm256_and_si256(bytes, _mm256_set1_epi32(15));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(codes, _mm256_set1_epi32(8)));
  }
  static V broadcast_f16(uint16_t h) { return _mm256_cvtph_ps(_mm_set1_epi16(short(h))); }
  static V mul_add(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  static void store_f16(uint16_t* p, V v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static Pairs pair_of(V low, V high) { return avx2::Isa::pair_of(low, high); }
  static Pairs dot_pairs(Pairs acc, Pairs a, Pairs b) { return avx2::Isa::dot_pairs(acc, a, b); }
  /// 2^x within 2.6e-6 of it; 0 below the range of normal floats.
  static V exp2(V x) {
    const __m256 least = _mm256_set1_ps(-126.0f), whole = _mm256_floor_ps(x);
    const __m256 power = exp2_fraction_fine<Lanes>(V(_mm256_sub_ps(x, whole)));
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(whole), 23);
    const __m256 scaled =
        _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(power), exponent));
    return _mm256_and_ps(scaled, _mm256_cmp_ps(x, least, _CMP_NLT_UQ));
  }
  /// Rounded to 16 bits.
  static void store_i16(int16_t* p, V v) {
    const __m256i whole = _mm256_cvtps_epi32(v);
    const __m128i upper = _mm256_extracti128_si256(whole, 1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm_packs_epi32(_mm256_castsi256_si128(whole), upper));
  }
  static V swap_neighbours(V v) { return _mm256_permute_ps(v, 0xb1); }
  static float sum(V v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static float max(V v) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }

 private:
  static __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static __m128i load8(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
};

}  // namespace
}  // namespace lowkey::simd::wide

namespace lowkey::simd::avx2 {
using Arch = xsimd::fma3<xsimd::avx2>;
}
