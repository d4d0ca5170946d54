// A layer's worth of random activations with its statistics.
#pragma once

#include <cmath>
#include <vector>

#include "calib/statistics.h"
#include "tests/calib/random_rows.h"

namespace lowkey::testing {

struct LayerSample {
  static constexpr int kTokens = 200, kHeadDim = 8, kHeads = 4, kKvHeads = 2, kEmbd = 12;

  std::vector<float> q, k, v, w_o, phase;
  calib::TokenWeights weights;

  explicit LayerSample(unsigned seed) {
    q = random_rows(kTokens, kHeads * kHeadDim, seed);
    k = random_rows(kTokens, kKvHeads * kHeadDim, seed + 1);
    v = random_rows(kTokens, kKvHeads * kHeadDim, seed + 2);
    w_o = random_rows(kEmbd, kHeads * kHeadDim, seed + 3);
    for (int n = 0; n < kTokens; ++n) {  // pairs turn by 1 and 0.3 radians; 4 of 8 turn
      for (float speed : {1.0f, 0.3f}) phase.push_back(std::cos(speed * float(n)));
      for (float speed : {1.0f, 0.3f}) phase.push_back(std::sin(speed * float(n)));
    }
    weights.n_tokens = kTokens;
    for (int i = 0; i < kHeads * kTokens; ++i) weights.query.push_back(float(i % 7));
    for (int i = 0; i < kKvHeads * kTokens; ++i) weights.key.push_back(float(i % 5));
    for (int i = 0; i < kKvHeads * kTokens; ++i) weights.value.push_back(float(i % 3));
    weights.value_per_head = {1, 2, 3, 4};
  }

  calib::LayerRows rows() const {
    calib::LayerRows out;
    out.q = matrix(q.data(), kTokens, kHeads * kHeadDim);
    out.k = matrix(k.data(), kTokens, kKvHeads * kHeadDim);
    out.v = matrix(v.data(), kTokens, kKvHeads * kHeadDim);
    out.q_pre = out.q;
    out.k_pre = out.k;
    out.phase = matrix(phase.data(), kTokens, 4);
    out.weights = &weights;
    return out;
  }

  calib::LayerStatistics statistics(const calib::StatisticsPlan& plan) const {
    auto out = calib::make_statistics({kHeads, kKvHeads, kHeadDim}, plan, 4,
                                      matrix(w_o.data(), kEmbd, kHeads * kHeadDim));
    calib::add_rows(out, rows());
    return out;
  }
};

}  // namespace lowkey::testing
