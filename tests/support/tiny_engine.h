// Engines on tiny models, and what tests ask of them again and again.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/support/tiny_model.h"

namespace lowkey::testing {

/// An engine on the GGUF form of `spec`; nullptr, and a test failure, where it cannot be loaded.
std::unique_ptr<engine::Engine> tiny_engine(const TinySpec& spec,
                                            const engine::EngineOptions& options);

/// Weights of one kind, as tests are given them by parameter: their engine, with heads of 32, and
/// their name.
struct TinyWeights {
  const char* family;
  DType type;
};
std::unique_ptr<engine::Engine> tiny_engine(const TinyWeights& weights, int n_context,
                                            const engine::EngineOptions& options);
std::string name_of(const TinyWeights& weights);

/// What tests of caches run on: heads of 32, no tokenizer, float activations everywhere.
std::unique_ptr<engine::Engine> exact_tiny_engine(int n_vocab, int n_threads);

/// A session, or a test failure and the end of the program: nothing can be tested without it.
engine::Session open_session(const engine::Engine& engine, const engine::SessionOptions& options);

/// A cache by its name, with exact tokens.
engine::CacheSpec cache_spec(const char* name, int n_sinks = 0, int n_window = 0);

/// `n` ids below n_vocab; the same seed gives the same ids.
std::vector<int32_t> random_tokens(int n, int n_vocab, uint64_t seed);

/// Feeds `tokens`; returns their final hidden states [n, n_embd].
std::vector<float> feed_hidden(engine::Session& session, std::span<const int32_t> tokens);

/// Largest and mean distance of two equally long rows of numbers; infinite if any is not finite.
struct Distance {
  double largest = 0;
  double mean = 0;
};
Distance distance(std::span<const float> a, std::span<const float> b);

}  // namespace lowkey::testing
