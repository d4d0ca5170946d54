// Texts for learning: what every layer computed for them, at a share of their queries.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "calib/learn/attention_model.h"
#include "engine/engine.h"

namespace lowkey::calib {

struct SampleOptions {
  int n_texts = 16;    // spread over the tokens
  int n_chunk = 1024;  // tokens of each
  int n_queries = 64;  // of each that are looked at
  /// Texts are spread over positions [0, n_positions), as statistics are (CollectOptions).
  int64_t n_positions = 8192;
  ExactTokens exact;
  /// Texts done, texts in all; false stops.
  std::function<bool(int64_t done, int64_t total)> progress;
};

struct SampledText {
  int64_t first = 0;  // position of its first token
  LayerText<float> rows;
};

struct LayerSample {
  std::vector<SampledText> texts;
  Vector mean, variance;  // [n_embd] of the attention's input, over all tokens of the texts
};

/// One for every layer. The same tokens give the same bits at any thread count.
Result<std::vector<LayerSample>> sample_texts(const engine::Engine& engine,
                                              std::span<const int32_t> tokens,
                                              const SampleOptions& options);

/// RoPE at position first + row (direction 1), or its inverse (-1), on all heads of every row.
void turn_rows(const engine::Engine& engine, const engine::RopeTable& rope, int64_t first,
               float direction, Rows<float>& rows);

}  // namespace lowkey::calib
