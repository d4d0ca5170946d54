#include "simd/avx2/isa.h"
#include "simd/avx2/ops.h"
#include "simd/wide/quantize-inl.h"

namespace lowkey::simd::avx2 {

void quantize(const float* x, int64_t x_stride, const Activations& a) {
  wide::quantize<Isa>(x, x_stride, a);
}

}  // namespace lowkey::simd::avx2
