// AVX-512 conversions for the shared bodies (simd/wide/lanes.h).
#pragma once

#include <immintrin.h>

#include "simd/avx512/isa.h"
#include "simd/wide/exp2-inl.h"
#include "simd/wide/lanes.h"

namespace lowkey::simd::wide {
namespace {

template <>
struct Lanes<xsimd::avx512f> {
  using V = Vec<xsimd::avx512f>;
  using Float = V;
  using Pairs = xsimd::batch<int32_t, xsimd::avx512f>;
  static constexpr int kAccumulators = 24;

  static V f16(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static V bf16(const uint16_t* p) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  static V i8(const int8_t* p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load16(p))); }
  // A permutation looks at 4 bits of its index: one instruction masks, converts and subtracts.
  static V nibble(const uint8_t* p, int shift) {
    const __m512 table = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i bytes = _mm512_cvtepu8_epi32(load16(p));
    return _mm512_permutexvar_ps(_mm512_srli_epi32(bytes, unsigned(shift)), table);
  }
  static V broadcast_f16(uint16_t h) { return _mm512_cvtph_ps(_mm256_set1_epi16(short(h))); }
  static V mul_add(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  static void store_f16(uint16_t* p, V v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static Pairs pair_of(V low, V high) { return avx512::Isa::pair_of(low, high); }
  /// 2^x within 2.6e-6 of it; 0 far below the range of a float.
  static V exp2(V x) {
    const V f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF);
    return _mm512_scalef_ps(exp2_fraction_fine<Lanes>(f), x);
  }
  static Pairs dot_pairs(Pairs acc, Pairs a, Pairs b) { return avx512::Isa::dot_pairs(acc, a, b); }
  /// Rounded to 16 bits.
  static void store_i16(int16_t* p, V v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v)));
  }
  static V swap_neighbours(V v) { return _mm512_permute_ps(v, 0xb1); }
  static float sum(V v) { return _mm512_reduce_add_ps(v); }
  static float max(V v) { return _mm512_reduce_max_ps(v); }

 private:
  static __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
};

}  // namespace
}  // namespace lowkey::simd::wide

namespace lowkey::simd::avx512 {
using Arch = xsimd::avx512f;
}
