// The matrices of latent spaces as tests read them: entry by entry, in double.
#pragma once

#include <vector>

#include "base/half.h"
#include "engine/kv/latent_code.h"

namespace lowkey::testing {

/// Entry (j, i): what z_i takes of x_j.
inline double entry(const simd::LatentEncoder& m, int j, int i) {
  return double{f16_to_f32(m.matrix[j * m.stride + i])} * double{m.scale};
}

/// x^ = D z + mean of a possibly shorter z, for K or V of `side`.
inline std::vector<double> decoded(const engine::LatentCode& code, bool keys, size_t side,
                                   const std::vector<float>& mean, const std::vector<double>& z) {
  const simd::LatentEncoder m =
      code.matrices->of(keys ? engine::LatentWay::kQueries : engine::LatentWay::kOutputs, side);
  std::vector<double> x(mean.begin(), mean.end());
  for (int i = 0; i < int(x.size()); ++i) {
    for (int c = 0; c < int(z.size()); ++c) {
      // Queries take D by columns, outputs by rows.
      x[size_t(i)] += (keys ? entry(m, i, c) : entry(m, c, i)) * z[size_t(c)];
    }
  }
  return x;
}

}  // namespace lowkey::testing
