#include "base/half.h"
#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

void latent_project(const LatentEncoder& e, MatrixView<const float> x, MatrixView<float> z) {
  for (int64_t n = 0; n < x.rows; ++n) {
    for (int i = 0; i < e.d_out; ++i) {
      double sum = 0;
      for (int j = 0; j < e.d_in; ++j) {
        const float centred = e.mean ? x.row(n)[j] - e.mean[j] : x.row(n)[j];
        sum += double{f16_to_f32(e.matrix[j * e.stride + i])} * centred;
      }
      z.row(n)[i] = float(sum * double{e.scale});
    }
  }
}

}  // namespace lowkey::simd::scalar
