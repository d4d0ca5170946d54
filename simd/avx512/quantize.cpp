// Four blocks at a time: their maxima and sums are folded side by side, where those of one block
// alone would take more steps than all the rest.
#include <cmath>

#include "simd/avx512/isa.h"
#include "simd/avx512/ops.h"
#include "simd/wide/quantize-inl.h"

namespace lowkey::simd::avx512 {

namespace {

constexpr int kBlocks = 4;

/// Where the integers of four neighbouring blocks go.
struct FourBlocks {
  int8_t* hi;
  int8_t* lo;  // or nullptr
  float* scale;
  int32_t* sum;
};

/// Lane i: the largest of m[i]. Not negative, so floats compare as integers do, above all of which
/// are infinity and NaN.
inline __m128i largest_of(const __m512i (&m)[kBlocks]) {
  const auto larger = [](__m512i a, __m512i b) { return _mm512_max_epi32(a, b); };
  const __m512i ab = larger(_mm512_unpacklo_epi32(m[0], m[1]), _mm512_unpackhi_epi32(m[0], m[1]));
  const __m512i cd = larger(_mm512_unpacklo_epi32(m[2], m[3]), _mm512_unpackhi_epi32(m[2], m[3]));
  const __m512i all = larger(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_max_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return _mm_max_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/// The largest |x| of each block, as bits.
inline __m128i largest_bits(const float* x) {
  const __m512i no_sign = _mm512_set1_epi32(0x7fffffff);
  __m512i m[kBlocks];
  for (int b = 0; b < kBlocks; ++b) {
    const __m512i first = _mm512_loadu_si512(x + b * kBlockCols);
    const __m512i second = _mm512_loadu_si512(x + b * kBlockCols + 16);
    m[b] = _mm512_max_epi32(_mm512_and_si512(first, no_sign), _mm512_and_si512(second, no_sign));
  }
  return largest_of(m);
}

/// Two blocks of 16-bit integers, as packs of 32-bit ones leave them, as bytes in their order.
inline __m512i bytes_of(__m512i a, __m512i b) {
  const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  return _mm512_permutexvar_epi32(order, _mm512_packs_epi16(a, b));
}

/// Sums of four neighbours' 128 hi + lo.
inline __m512i sums_of_4(__m512i hi, __m512i lo) {
  const __m512i ones = _mm512_set1_epi8(1), zero = _mm512_setzero_si512();
  const __m512i upper = _mm512_slli_epi32(_mm512_dpbusd_epi32(zero, ones, hi), 7);
  return _mm512_dpbusd_epi32(upper, ones, lo);
}

/// Sums of 16 columns of four blocks, from those of 4 of the first two and the last two.
inline __m256i sums_of_16(__m512i ab, __m512i cd) {
  const __m512i two =
      _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m512i one = _mm512_add_epi32(two, _mm512_shuffle_epi32(two, _MM_PERM_CDAB));
  const __m512i order = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 14, 10, 6, 2, 12, 8, 4, 0);
  return _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, one));
}

/// Writes four blocks whose largest values are neither tiny nor infinite.
inline void quantize_four(const float* x, __m128 max, const FourBlocks& out) {
  const __m128 largest = _mm_set1_ps(127 * 128);
  _mm_storeu_ps(out.scale, _mm_div_ps(max, largest));
  const __m512 factors = _mm512_broadcast_f32x4(_mm_div_ps(largest, max));
  __m512i hi[kBlocks], lo[kBlocks];
  for (int b = 0; b < kBlocks; ++b) {
    const __m512 factor = _mm512_permutexvar_ps(_mm512_set1_epi32(b), factors);
    const auto rounded = [&](int64_t at) {
      return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + at), factor));
    };
    const __m512i q = _mm512_packs_epi32(rounded(b * kBlockCols), rounded(b * kBlockCols + 16));
    hi[b] = _mm512_srai_epi16(_mm512_add_epi16(q, _mm512_set1_epi16(64)), 7);
    lo[b] = _mm512_sub_epi16(q, _mm512_slli_epi16(hi[b], 7));
  }
  __m512i sum[2];
  for (int i = 0; i < 2; ++i) {
    const __m512i upper = bytes_of(hi[2 * i], hi[2 * i + 1]);
    __m512i lower = _mm512_setzero_si512();
    _mm512_storeu_si512(out.hi + i * 64, upper);
    if (out.lo) {
      lower = bytes_of(lo[2 * i], lo[2 * i + 1]);
      _mm512_storeu_si512(out.lo + i * 64, lower);
    }
    sum[i] = sums_of_4(upper, lower);
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.sum), sums_of_16(sum[0], sum[1]));
}

/// Whether x [4 blocks] has gone to `out`: nothing of it is tiny, infinite or no number.
inline bool take_four(const float* x, const FourBlocks& out) {
  const __m128 max = _mm_castsi128_ps(largest_bits(x));
  const __m128 usable =
      _mm_and_ps(_mm_cmpge_ps(max, _mm_set1_ps(1e-30f)), _mm_cmplt_ps(max, _mm_set1_ps(HUGE_VALF)));
  if (_mm_movemask_ps(usable) != 15) return false;
  quantize_four(x, max, out);
  return true;
}

}  // namespace

void quantize(const float* x, int64_t x_stride, const Activations& a) {
  const int64_t n_blocks = a.n_cols / kBlockCols;
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    for (int64_t b = 0; b < n_blocks;) {
      const int64_t at = t * n_blocks + b, col = at * kBlockCols;
      const float* from = x + t * x_stride + b * kBlockCols;
      const FourBlocks out{a.hi + col, a.lo ? a.lo + col : nullptr, a.scale + at, a.sum + 2 * at};
      if (b + kBlocks <= n_blocks && take_four(from, out)) {
        b += kBlocks;
        continue;
      }
      wide::quantize_block<Isa>(from, out.hi, out.lo, out.scale, out.sum);
      ++b;
    }
  }
}

}  // namespace lowkey::simd::avx512
