// What calibration remembers of one layer: second moments of keys, queries and values.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "calib/gram.h"

namespace lowkey::calib {

struct LayerShape {
  int n_heads = 0;  // query heads
  int n_kv_heads = 0;
  int head_dim = 0;
  int group() const { return n_heads / n_kv_heads; }
};

/// What to gather; each part costs time.
struct StatisticsPlan {
  bool plain = true;          // every token counts the same
  bool second_order = false;  // tokens count by TokenWeights (method fisher)
  bool joint = false;         // moments across the KV heads of the layer instead of per head
  bool pre_rope = false;      // keys and queries before RoPE too
  bool rotary = false;        // moments with the rotation's phases, for centring by R_n mu
};

/// Importance of tokens (second_order.h), 0 for tokens that are never read through a code.
struct TokenWeights {
  int64_t n_tokens = 0;
  std::vector<float> query;            // [n_heads, n_tokens]
  std::vector<float> key;              // [n_kv_heads, n_tokens]
  std::vector<float> value;            // [n_kv_heads, n_tokens]
  std::vector<double> value_per_head;  // [n_heads]: sums over tokens, by query head
};

/// Activations of n tokens of one layer. Views that the plan does not need may be empty.
struct LayerRows {
  MatrixView<const float> q;      // [n, n_heads * head_dim], after RoPE
  MatrixView<const float> k;      // [n, n_kv_heads * head_dim], after RoPE
  MatrixView<const float> v;      // [n, n_kv_heads * head_dim]
  MatrixView<const float> q_pre;  // before RoPE
  MatrixView<const float> k_pre;
  MatrixView<const float> phase;          // [n, n_rot]: cos [n_rot / 2], then sin [n_rot / 2]
  const TokenWeights* weights = nullptr;  // with plan.second_order
};

/// Moments with one weighting. k, k_pre, v: one per KV head, or one for all if joint; with
/// plan.rotary the rows of k are [k, phase]. q, q_pre: per KV head, over its group of query heads.
struct MomentSet {
  std::vector<Gram> k, k_pre, v, q, q_pre;
};

struct LayerStatistics {
  LayerShape shape;
  StatisticsPlan plan;
  MomentSet plain;
  MomentSet weighted;
  std::vector<double> value_weights;  // [n_heads]: sums of TokenWeights::value_per_head
  std::vector<Matrix> output_grams;   // [n_heads]: W_O,h^T W_O,h [head_dim, head_dim]
};

/// Empty statistics. w_o: the output projection [n_embd, n_heads * head_dim].
LayerStatistics make_statistics(const LayerShape& shape, const StatisticsPlan& plan, int n_rot,
                                MatrixView<const float> w_o);

/// Adds rows; to be called in a fixed order (one layer belongs to one thread at a time).
void add_rows(LayerStatistics& statistics, const LayerRows& rows);

/// Appends all sums of `statistics` to `out`.
void write_sums(const LayerStatistics& statistics, std::vector<double>& out);
/// Sets all sums from the start of `numbers`, which write_sums made of statistics of the same shape
/// and plan, and returns the rest. Fewer numbers than that: kInvalidData.
Result<std::span<const double>> read_sums(LayerStatistics& statistics,
                                          std::span<const double> numbers);

/// Adds the sums of `other`, which has the same shape and plan.
void merge(LayerStatistics& statistics, const LayerStatistics& other);

}  // namespace lowkey::calib
