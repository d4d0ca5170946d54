#include <immintrin.h>

#include <bit>

#include "simd/amx/ops.h"

namespace lowkey::simd::amx {

void round_bf16(const float* x, int64_t n, uint16_t* out) {
  const auto round = [&](int64_t i, __mmask32 lanes) {
    const __m512 low = _mm512_maskz_loadu_ps(__mmask16(lanes), x + i);
    const __m512 high = _mm512_maskz_loadu_ps(__mmask16(lanes >> 16), x + i + 16);
    const auto both = std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    _mm512_mask_storeu_epi16(out + i, lanes, both);
  };
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) round(i, 0xffffffff);
  if (i < n) round(i, (1u << (n - i)) - 1);
}

}  // namespace lowkey::simd::amx
