// What the shared bodies in simd/wide/ need to know of this set: its vectors, and its conversions
// of 16-bit floats, which xsimd lacks. Unnamed namespace: nothing here may be merged by the linker
// with another set's code.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <xsimd/xsimd.hpp>

#include "simd/avx2/words.h"

namespace lowkey::simd::avx2 {
namespace {

struct Isa {
  using Arch = xsimd::fma3<xsimd::avx2>;
  using Float = xsimd::batch<float, Arch>;
  using Int = xsimd::batch<int32_t, Arch>;
  static constexpr int kLanes = int(Float::size);

  /// Correctly rounded; xsimd's division is not on every set.
  static Float divide(Float a, Float b) { return _mm256_div_ps(a, b); }
  /// a b + c in one rounding; xsimd's fma is two instructions for AVX-512.
  static Float mul_add(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }

  /// Two floats, rounded to 16 bits, in the 32 bits of each lane; acc + the products of pairs.
  static __m256i pair_of(__m256 low, __m256 high) {
    const __m256i upper = _mm256_slli_epi32(_mm256_cvtps_epi32(high), 16);
    return _mm256_blend_epi16(_mm256_cvtps_epi32(low), upper, 0xaa);
  }
  static __m256i dot_pairs(__m256i acc, __m256i a, __m256i b) { return add_words(acc, a, b); }

  /// The lowest byte of each.
  static void store_bytes(Int x, void* p) {
    const __m256i lowest =
        _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12,
                         -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m256i fours = _mm256_shuffle_epi8(x, lowest);
    const __m128i low = _mm256_castsi256_si128(fours), high = _mm256_extracti128_si256(fours, 1);
    _mm_storel_epi64(static_cast<__m128i*>(p), _mm_unpacklo_epi32(low, high));
  }

  static Float load_f16(const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Float load_bf16(const uint16_t* p) {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
  }
};

}  // namespace
}  // namespace lowkey::simd::avx2
