// A block of 32 in four registers.
#include <bit>

#include "simd/avx2/isa.h"
#include "simd/avx2/ops.h"
#include "simd/wide/quantize-inl.h"

namespace lowkey::simd::avx2 {
namespace {

constexpr int kParts = kBlockCols / Isa::kLanes;

/// Largest |x|, as bits. Without their sign floats compare as integers do, above all of which are
/// infinity and NaN.
inline int32_t largest_bits(const __m256 (&x)[kParts]) {
  const __m256i no_sign = _mm256_set1_epi32(0x7fffffff);
  const auto bits = [&](int i) { return _mm256_and_si256(_mm256_castps_si256(x[i]), no_sign); };
  const __m256i all =
      _mm256_max_epi32(_mm256_max_epi32(bits(0), bits(1)), _mm256_max_epi32(bits(2), bits(3)));
  const __m128i four = _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

/// 32 words, as two packs of 32-bit integers leave them, as bytes in their order.
inline void store_bytes(__m256i low, __m256i high, int8_t* out) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), bytes);
}

/// A block whose largest value is neither tiny nor infinite.
inline void quantize_usable(const __m256 (&x)[kParts], float max, int8_t* hi, int8_t* lo,
                            float* scale, int32_t* sum) {
  constexpr float kLargest = 127 * 128;
  *scale = max / kLargest;
  const __m256 factor = _mm256_set1_ps(kLargest / max);
  __m256i q[2], upper[2], lower[2];
  for (int i = 0; i < 2; ++i) {
    q[i] = _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(x[2 * i], factor)),
                              _mm256_cvtps_epi32(_mm256_mul_ps(x[2 * i + 1], factor)));
    upper[i] = _mm256_srai_epi16(_mm256_add_epi16(q[i], _mm256_set1_epi16(64)), 7);
    const __m256i coarse = _mm256_slli_epi16(upper[i], 7);
    lower[i] = _mm256_sub_epi16(q[i], coarse);
    if (!lo) q[i] = coarse;
  }
  store_bytes(upper[0], upper[1], hi);
  if (lo) store_bytes(lower[0], lower[1], lo);
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i pairs =
      _mm256_hadd_epi32(_mm256_madd_epi16(q[0], ones), _mm256_madd_epi16(q[1], ones));
  const __m128i four =
      _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(sum), _mm_hadd_epi32(four, four));
}

}  // namespace

void quantize(const float* x, int64_t x_stride, const Activations& a) {
  constexpr float kTiny = 1e-30f;
  constexpr int32_t kInfinity = 0x7f800000;
  const int64_t n_blocks = a.n_cols / kBlockCols;
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    for (int64_t b = 0; b < n_blocks; ++b) {
      const int64_t at = t * n_blocks + b, col = at * kBlockCols;
      const float* from = x + t * x_stride + b * kBlockCols;
      int8_t *hi = a.hi + col, *lo = a.lo ? a.lo + col : nullptr;
      __m256 own[kParts];
      for (int i = 0; i < kParts; ++i) own[i] = _mm256_loadu_ps(from + i * Isa::kLanes);
      const int32_t bits = largest_bits(own);
      const float max = std::bit_cast<float>(bits);
      if (bits < kInfinity && max >= kTiny) {
        quantize_usable(own, max, hi, lo, a.scale + at, a.sum + 2 * at);
      } else {
        wide::quantize_block<Isa>(from, hi, lo, a.scale + at, a.sum + 2 * at);
      }
    }
  }
}

}  // namespace lowkey::simd::avx2
