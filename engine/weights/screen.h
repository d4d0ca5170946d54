// A coarse copy of the vocabulary projection, which says at half the bytes which tokens can be
// among the k likeliest: theirs alone are then multiplied with the weights as they are. Sampling
// asks for no others (top-k; greedy is k = 1).
#pragma once

#include <span>
#include <vector>

#include "engine/weights/linear.h"

namespace lowkey::engine {

class Screen {
 public:
  /// Whether the k best of each of n hidden states are worth a screen: few of few. Of more states
  /// products are what takes time, and the screen adds to them.
  static bool pays(int64_t n_vocab, int64_t n, int64_t k) {
    return n <= kMostStates && k > 0 && k * kFewestRows <= n_vocab;
  }
  /// Rows whose exact logits the k best take, about (SmolLM2-135M on text: 4 for 1, 128 for 40).
  static double n_exact(double k) { return 3.2 * k + 1; }

  /// Of `head`, made by all threads: 4 bits per weight, and 8 in the columns of the largest
  /// weights. Models keep outlying coordinates there, in whose few columns most of the error would
  /// come about. Empty where the copy would spare too little, or the columns are no whole blocks.
  static Result<Screen> make(const Context& context, const Linear& head);

  bool empty() const { return coarse_.n_rows() == 0; }
  int64_t bytes() const { return empty() ? 0 : coarse_.bytes() + fine_.bytes(); }
  /// What is read first.
  const Linear& coarse() const { return coarse_; }

  /// y [n, stride] of x [n, n_cols], about: y's row r is off by a sum of roundings, which is
  /// normally distributed with standard deviation spread(x) * error(r).
  void apply(const Context& context, MatrixView<const float> x, const ActivationRows& copies,
             std::vector<float>& scratch, MatrixView<float> y) const;
  float spread(const float* x) const;
  std::span<const float> errors() const { return row_error_; }

 private:
  static constexpr int64_t kMostStates = 3;
  static constexpr int64_t kFewestRows = 256;  // of the vocabulary for each that is wanted

  Linear coarse_, fine_;        // [n_rows, *]
  std::vector<int32_t> order_;  // of columns: those of fine_, then those of coarse_
  // The mean square of what a weight is off by is row_error^2 [n_rows] times column_share [n_cols],
  // whose mean is 1.
  std::vector<float> row_error_, column_share_;
};

}  // namespace lowkey::engine
