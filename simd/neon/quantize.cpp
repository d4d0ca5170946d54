#include "simd/neon/isa.h"
#include "simd/neon/ops.h"
#include "simd/wide/quantize-inl.h"

namespace lowkey::simd::neon {

void quantize(const float* x, int64_t x_stride, const Activations& a) {
  wide::quantize<Isa>(x, x_stride, a);
}

}  // namespace lowkey::simd::neon
