// Attention of one query as the formula has it, in double.
#pragma once

#include <vector>

namespace lowkey::testing {

/// What a query sees of one cached token: key and value [head_dim], or nothing.
struct SeenToken {
  const double* key = nullptr;
  const double* value = nullptr;
};

/// Softmax attention of one query head over `seen`, in double.
std::vector<double> plain_attention(const float* q, const std::vector<SeenToken>& seen, int d);

}  // namespace lowkey::testing
