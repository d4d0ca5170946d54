// Many rows go through a layer's products in pieces, on one thread each, or all together, on all
// threads: which of it depends on the number of threads, and must not show.
#include <gtest/gtest.h>

#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

// Enough for one thread to cut them, too few for two; the last piece is not full.
constexpr int kRows = 203;

struct Weights {
  const char* family;
  DType type;
};

std::vector<float> hidden_states(const Weights& weights, int n_threads, Precision precision) {
  lowkey::testing::TinySpec spec;
  spec.head_dim = 32;
  spec.n_context = 512;
  spec.family = weights.family;
  spec.dtype = weights.type;
  EngineOptions options;
  options.n_threads = n_threads;
  options.precision = precision;
  const auto engine = lowkey::testing::tiny_engine(spec, options);
  Session session =
      lowkey::testing::open_session(*engine, {lowkey::testing::cache_spec("f16"), 512, 256});
  return lowkey::testing::feed_hidden(session,
                                      lowkey::testing::random_tokens(kRows, spec.n_vocab, 5));
}

class ByRows : public ::testing::TestWithParam<Weights> {};

TEST_P(ByRows, PiecesGiveWhatAllRowsTogetherGive) {
  for (const Precision precision : {Precision::kFast, Precision::kDefault}) {
    const std::vector<float> cut = hidden_states(GetParam(), 1, precision);
    ASSERT_FALSE(cut.empty());
    EXPECT_EQ(cut, hidden_states(GetParam(), 2, precision));
    EXPECT_EQ(cut, hidden_states(GetParam(), 3, precision));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ByRows,
                         ::testing::Values(Weights{"llama", DType::kQ4_1},
                                           Weights{"qwen2", DType::kQ8_0},
                                           Weights{"qwen3", DType::kQ4_0}),
                         [](const auto& parameter) {
                           return std::string(parameter.param.family) + "_" +
                                  std::string(dtype_info(parameter.param.type).name);
                         });

}  // namespace
}  // namespace lowkey::engine
