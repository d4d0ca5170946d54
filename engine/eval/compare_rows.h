// Statistics of one position's logits: how likely the true token is, and how far two caches differ.
#pragma once

#include <cstdint>
#include <span>

#include "simd/kernel_set.h"

namespace lowkey::engine {

struct RowScore {
  double nll = 0;  // of the true token, nats
  double probability = 0;
  int32_t top = 0;  // most likely token; the lowest id of a tie
};

/// `scratch` holds logits.size() floats and receives the probabilities.
RowScore score_row(const simd::KernelSet& kernels, std::span<const float> logits, int32_t token,
                   float* scratch);

/// KL(P || Q) in nats; p: P's probabilities, and the logits of both with their log-sum-exp.
struct RowPair {
  std::span<const float> p, p_logits, q_logits;
  double p_logsumexp = 0, q_logsumexp = 0;
};
double kl_divergence(const RowPair& rows);

}  // namespace lowkey::engine
