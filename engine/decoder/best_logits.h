// The k best logits of a hidden state without those of the whole vocabulary.
//
// The coarse copy of the projection (engine/weights/screen.h) gives all logits, each off by a
// normally distributed error of known standard deviation. The k-th best exact logit of the first
// few rows is a bound from below on that of all; rows whose coarse logit lies kSigmas deviations
// below it are left out, the others are multiplied with the weights as they are. A row that belongs
// to the k best is missed once in 10^9 (one tail beyond 6 sigma).
#pragma once

#include <span>
#include <vector>

#include "engine/sample/candidate.h"
#include "engine/weights/decoder_weights.h"

namespace lowkey::engine {

/// Memory of the choice, reused from step to step.
struct BestScratch {
  std::vector<float> ordered;    // hidden states as the screen takes them
  std::vector<float> logits;     // [n, n_vocab], exact or of the screen
  std::vector<float> group_top;  // of groups of rows: the best logit
  std::vector<float> ranked;
  std::vector<int32_t> rows;
  std::vector<float> exact;
};

/// Hidden states [n, n_embd] after the output norm, and where copies of them go.
struct HiddenStates {
  MatrixView<const float> x;
  ActivationRows copies;
};

/// Whether best_logits() of n hidden states asks the screen first.
inline bool is_screened(const DecoderWeights& weights, int64_t n, int64_t k) {
  return !weights.screen.empty() && Screen::pays(weights.head().n_rows(), n, k);
}

/// The k best of each hidden state, best first: out[i] of row i, the logits those that
/// the whole projection gives of it alone. k = 0: all of them, in the order of their ids.
void best_logits(const Context& context, const DecoderWeights& weights, const HiddenStates& hidden,
                 int64_t k, BestScratch& scratch, std::span<std::vector<Candidate>> out);

}  // namespace lowkey::engine
