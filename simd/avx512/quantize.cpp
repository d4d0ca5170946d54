#include "simd/avx512/isa.h"
#include "simd/avx512/ops.h"
#include "simd/wide/quantize-inl.h"

namespace lowkey::simd::avx512 {

void quantize(const float* x, int64_t x_stride, const Activations& a) {
  wide::quantize<Isa>(x, x_stride, a);
}

}  // namespace lowkey::simd::avx512
