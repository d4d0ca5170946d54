// From the statistics of a layer to the problems that methods solve.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "calib/objective/method.h"
#include "calib/statistics.h"

namespace lowkey::calib {

/// What is subtracted from keys before they are coded. Values are always centred: their mean is
/// folded into the output's bias and costs nothing.
enum class Centring {
  kNone,
  kMean,    // E[k]: shifts all scores of a query alike, so that softmax never sees it
  kRotary,  // R_n mu, the mean before RoPE turned to the token's position; needs plan.rotary
};

struct Rotary {
  int n_rot = 0;            // leading coordinates of a head that turn
  bool neighbours = false;  // pairs (2i, 2i+1), else (i, i + n_rot / 2)
  // Leading pairs that turn fast: the kernels pay for each of them what all slow pairs together
  // cost a quarter of, so their mean is left in keys that gain little by its absence.
  int n_fast = 0;
};

/// Coordinates of pair i: the first is turned towards the second.
std::pair<int, int> pair_of(const Rotary& rotary, int i);

struct ProblemOptions {
  bool second_order = false;
  bool pre_rope = false;
  Centring centring = Centring::kNone;
  Rotary rotary;
  /// cos [n_rot / 2], sin [n_rot / 2] of typical distances between query and key [n, n_rot]; with
  /// pre_rope, the metric of keys is the queries' moment averaged over them. Empty: no turning,
  /// as EigenAttention has it.
  MatrixView<const float> distances;
};

/// The problem of KV head `head` (0 if the statistics are joint). kInvalidArgument if the
/// statistics were not gathered for these options. With rotary centring the pairs `left_in` keep
/// their mean.
Result<Problem> key_problem(const LayerStatistics& statistics, const ProblemOptions& options,
                            int head, std::span<const int> left_in = {});
Result<Problem> value_problem(const LayerStatistics& statistics, const ProblemOptions& options,
                              int head);

/// The fast pairs whose mean takes up less than `bits` of a key in a code on `basis`, the solution
/// of a problem with all of the mean taken out: sum over the coordinates that a code of 2 to 3 bits
/// stores of log2(1 + what the mean adds to the variance / variance) / 2.
std::vector<int> cheap_pairs(const Basis& basis, const Rotary& rotary, double bits);

/// B with R_n mu = B phase_n + (the coordinates of mu that do not turn); phase_n = cos, then sin.
/// mu [d]; result [d, n_rot].
Matrix rotation_of_phase(const Vector& mu, const Rotary& rotary);

}  // namespace lowkey::calib
