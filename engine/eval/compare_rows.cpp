#include "engine/eval/compare_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace lowkey::engine {

RowScore score_row(const simd::KernelSet& kernels, std::span<const float> logits, int32_t token,
                   float* scratch) {
  std::memcpy(scratch, logits.data(), logits.size_bytes());
  const double logsumexp = double(kernels.softmax(scratch, int64_t(logits.size())));
  RowScore score;
  score.nll = logsumexp - double(logits[size_t(token)]);
  score.probability = std::exp(-score.nll);
  score.top = int32_t(std::max_element(logits.begin(), logits.end()) - logits.begin());
  return score;
}

double kl_divergence(const RowPair& rows) {
  double sum = rows.q_logsumexp - rows.p_logsumexp;
  for (size_t i = 0; i < rows.p.size(); ++i) {
    sum += double(rows.p[i]) * (double(rows.p_logits[i]) - double(rows.q_logits[i]));
  }
  return std::max(sum, 0.0);  // rounding can leave it a hair below zero
}

}  // namespace lowkey::engine
