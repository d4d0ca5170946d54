#include "tests/support/plain_attention.h"

#include <algorithm>
#include <cmath>

namespace lowkey::testing {

std::vector<double> plain_attention(const float* q, const std::vector<SeenToken>& seen, int d) {
  std::vector<double> scores;
  for (const SeenToken& token : seen) {
    double score = 0.0;
    for (int i = 0; i < d; ++i) score += double(q[i]) * token.key[i];
    scores.push_back(score / std::sqrt(double(d)));
  }
  const double top = *std::max_element(scores.begin(), scores.end());
  std::vector<double> out(size_t(d), 0.0);
  double sum = 0.0;
  for (size_t t = 0; t < seen.size(); ++t) {
    const double weight = std::exp(scores[t] - top);
    sum += weight;
    for (int i = 0; i < d; ++i) out[size_t(i)] += weight * seen[t].value[i];
  }
  for (double& x : out) x /= sum;
  return out;
}

}  // namespace lowkey::testing
