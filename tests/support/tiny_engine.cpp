#include "tests/support/tiny_engine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/check.h"
#include "tests/support/assets.h"

namespace lowkey::testing {

std::unique_ptr<engine::Engine> tiny_engine(const TinySpec& spec,
                                            const engine::EngineOptions& options) {
  const TemporaryFolder folder;
  const std::string path = folder.write("tiny.gguf", tiny_gguf(spec));
  auto loaded = engine::Engine::load(path, options);
  EXPECT_TRUE(loaded.ok()) << loaded.error().message();
  return loaded.ok() ? std::move(loaded).value() : nullptr;
}

std::unique_ptr<engine::Engine> tiny_engine(const TinyWeights& weights, int n_context,
                                            const engine::EngineOptions& options) {
  TinySpec spec;
  spec.head_dim = 32;
  spec.n_context = n_context;
  spec.family = weights.family;
  spec.dtype = weights.type;
  return tiny_engine(spec, options);
}

std::string name_of(const TinyWeights& weights) {
  return std::string(weights.family) + "_" + std::string(dtype_info(weights.type).name);
}

std::unique_ptr<engine::Engine> exact_tiny_engine(int n_vocab, int n_threads) {
  TinySpec spec;
  spec.head_dim = 32;
  spec.n_vocab = n_vocab;
  spec.tokenizer = false;
  engine::EngineOptions options;
  options.n_threads = n_threads;
  options.precision = engine::Precision::kExact;
  return tiny_engine(spec, options);
}

engine::Session open_session(const engine::Engine& engine, const engine::SessionOptions& options) {
  auto session = engine::Session::open(engine, options);
  LK_CHECK(session.ok(), session.error().message().c_str());
  return std::move(session).value();
}

engine::CacheSpec cache_spec(const char* name, int n_sinks, int n_window) {
  auto spec = engine::parse_cache_type(name);
  LK_CHECK(spec.ok(), name);
  spec->n_sinks = n_sinks;
  spec->n_window = n_window;
  return *spec;
}

std::vector<int32_t> random_tokens(int n, int n_vocab, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back(int32_t(random() % uint64_t(n_vocab)));
  return tokens;
}

std::vector<float> feed_hidden(engine::Session& session, std::span<const int32_t> tokens) {
  std::vector<float> out;
  const Status status = session.feed(tokens, [&](int64_t, MatrixView<const float> hidden) {
    for (int64_t i = 0; i < hidden.rows; ++i) {
      out.insert(out.end(), hidden.row(i), hidden.row(i) + hidden.cols);
    }
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status.error().message();
  return out;
}

Distance distance(std::span<const float> a, std::span<const float> b) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  if (a.size() != b.size() || a.empty()) return {kInfinite, kInfinite};
  Distance result;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(double(a[i]) - double(b[i]));
    if (!std::isfinite(difference)) return {kInfinite, kInfinite};
    result.largest = std::max(result.largest, difference);
    result.mean += difference / double(a.size());
  }
  return result;
}

}  // namespace lowkey::testing
