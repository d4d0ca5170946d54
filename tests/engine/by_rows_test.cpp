// Many rows go through a layer's products in pieces, on one thread each, or all together, on all
// threads: which of it depends on the number of threads, and must not show.
#include <gtest/gtest.h>

#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::TinyWeights;

// Enough for one thread to cut them, too few for two; the last piece is not full.
constexpr int kRows = 203;

std::vector<float> hidden_states(const TinyWeights& weights, int n_threads, Precision precision) {
  EngineOptions options;
  options.n_threads = n_threads;
  options.precision = precision;
  const auto engine = lowkey::testing::tiny_engine(weights, 512, options);
  Session session =
      lowkey::testing::open_session(*engine, {lowkey::testing::cache_spec("f16"), 512, 256});
  return lowkey::testing::feed_hidden(
      session, lowkey::testing::random_tokens(kRows, engine->config().n_vocab, 5));
}

class ByRows : public ::testing::TestWithParam<TinyWeights> {};

TEST_P(ByRows, PiecesGiveWhatAllRowsTogetherGive) {
  for (const Precision precision : {Precision::kFast, Precision::kDefault}) {
    const std::vector<float> cut = hidden_states(GetParam(), 1, precision);
    ASSERT_FALSE(cut.empty());
    EXPECT_EQ(cut, hidden_states(GetParam(), 2, precision));
    EXPECT_EQ(cut, hidden_states(GetParam(), 3, precision));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ByRows,
                         ::testing::Values(TinyWeights{"llama", DType::kQ4_1},
                                           TinyWeights{"qwen2", DType::kQ8_0},
                                           TinyWeights{"qwen3", DType::kQ4_0}),
                         [](const auto& parameter) { return name_of(parameter.param); });

}  // namespace
}  // namespace lowkey::engine
