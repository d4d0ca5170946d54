// What the shared bodies in simd/wide/ need to know of this set: its vectors, and its conversions
// of 16-bit floats, which xsimd lacks. Unnamed namespace: nothing here may be merged by the linker
// with another set's code.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <xsimd/xsimd.hpp>

namespace lowkey::simd::avx512 {
namespace {

struct Isa {
  using Arch = xsimd::avx512bw;
  using Float = xsimd::batch<float, Arch>;
  using Int = xsimd::batch<int32_t, Arch>;
  static constexpr int kLanes = int(Float::size);

  /// Correctly rounded; xsimd's division is not on every set.
  static Float divide(Float a, Float b) { return _mm512_div_ps(a, b); }
  /// a b + c in one rounding; xsimd's fma is two instructions for AVX-512.
  static Float mul_add(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }

  /// Two floats, rounded to 16 bits, in the 32 bits of each lane; acc + the products of pairs.
  static __m512i pair_of(__m512 low, __m512 high) {
    const __m512i upper = _mm512_slli_epi32(_mm512_cvtps_epi32(high), 16);
    return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_cvtps_epi32(low), upper);
  }
  static __m512i dot_pairs(__m512i acc, __m512i a, __m512i b) {
    return _mm512_dpwssd_epi32(acc, a, b);
  }

  /// The lowest byte of each.
  static void store_bytes(Int x, void* p) {
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
  }

  static Float load_f16(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Float load_bf16(const uint16_t* p) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
  }
};

}  // namespace
}  // namespace lowkey::simd::avx512
