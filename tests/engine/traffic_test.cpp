// The ledger of a step against counting one by one, and the time that follows from it.
#include <gtest/gtest.h>

#include "engine/kv/cache.h"
#include "engine/traffic/bandwidth.h"
#include "engine/traffic/rates.h"
#include "simd/select.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;

models::ModelConfig shape() {
  models::ModelConfig c;
  c.n_layers = 3;
  c.n_embd = 128;
  c.n_heads = 6;
  c.n_kv_heads = 2;
  c.head_dim = 64;
  c.n_ff = 256;
  c.n_vocab = 1000;
  c.rope.n_rot = 64;
  return c;
}

/// Every kind of cache; the latent one for a model of one layer.
std::vector<std::pair<models::ModelConfig, CacheSpec>> caches() {
  models::ModelConfig one = shape();
  one.n_layers = 1;
  return {{shape(), cache_spec("f32")},       {shape(), cache_spec("f16", 4, 32)},
          {shape(), cache_spec("q8_0")},      {shape(), cache_spec("q4_0h", 2, 0)},
          {one, placeholder_latents(one, 3)}, {one, placeholder_latents(one, 1.5)}};
}

TEST(Ledger, PartsOfATokenSumToTheLayout) {
  for (const auto& [config, spec] : caches()) {
    const auto traffic = cache_traffic(config, spec);
    ASSERT_TRUE(traffic.ok()) << traffic.error().message();
    EXPECT_DOUBLE_EQ(traffic->k_codes + traffic->v_codes + traffic->gains,
                     traffic->layout.coded_bytes_per_token)
        << cache_name(spec);
  }
  const auto budget = latent_traffic(shape(), 2.5);
  ASSERT_TRUE(budget.ok());
  EXPECT_DOUBLE_EQ(budget->layout.bits_per_element(), 2.5);
  EXPECT_DOUBLE_EQ(budget->k_codes + budget->v_codes + budget->gains,
                   budget->layout.coded_bytes_per_token);
}

TEST(Ledger, AStepReadsEveryCachedTokenOnce) {
  for (const auto& [config, spec] : caches()) {
    const CacheTraffic traffic = cache_traffic(config, spec).value();
    const KvLayout& layout = traffic.layout;
    for (const int64_t depth : {0, 3, 20, 5000}) {
      double expected = 0;
      for (int64_t t = 0; t <= depth; ++t) {
        const bool exact = t < spec.n_sinks || t > depth - spec.n_window;
        expected += exact ? layout.exact_bytes_per_token : layout.coded_bytes_per_token;
      }
      const Ledger l = step_ledger(config, {}, traffic, {depth, 1, 3});
      EXPECT_NEAR(l.kv(), 3 * expected, 1e-9 * expected) << cache_name(spec) << " at " << depth;
    }
  }
}

TEST(Ledger, CountsTheProductsOfEveryRow) {
  const models::ModelConfig config = shape();
  const CacheTraffic traffic = cache_traffic(config, cache_spec("f16", 4, 32)).value();
  CacheTraffic fewer = traffic;
  fewer.coordinates /= 2;  // of coded tokens
  for (const StepShape step : {StepShape{0, 1, 1}, {5, 100, 1}, {1000, 7, 2}, {30, 1, 16}}) {
    double all = 0, halved = 0;
    for (int64_t i = 0; i < step.n_tokens; ++i) {
      const double seen = double(step.depth + i + 1), exact = std::min(seen, 36.0);
      all += seen;
      halved += exact + (seen - exact) / 2;
    }
    // Per layer: a score and a sum of 64 products for each of 6 heads.
    const double one = 6.0 * 2 * 64 * double(step.batch);
    StepShape wanted = step;
    wanted.all_wanted = true;
    EXPECT_DOUBLE_EQ(step_ledger(config, {}, traffic, wanted).attend_products, 3 * one * all);
    // Else the last of three layers has the last row alone.
    const double seen = double(step.depth + step.n_tokens), exact = std::min(seen, 36.0);
    all = 2 * all + seen;
    halved = 2 * halved + exact + (seen - exact) / 2;
    EXPECT_DOUBLE_EQ(step_ledger(config, {}, traffic, step).attend_products, one * all);
    EXPECT_DOUBLE_EQ(step_ledger(config, {}, fewer, step).attend_products, one * halved);
  }
}

TEST(Ledger, TheLastLayerMakesKeysAndValuesAloneOfRowsThatNobodyWants) {
  const models::ModelConfig c = shape();
  const CacheTraffic traffic = cache_traffic(c, cache_spec("f16")).value();
  const WeightTraffic weights = weight_traffic(c, 8);
  // Queries and outputs of 6 heads of 64, keys and values of 2, a network of 256.
  const double qkv = 128 * (384 + 2 * 128), behind = 128 * (384 + 3 * 256), head = 128 * 1000;
  for (const StepShape step : {StepShape{0, 1, 1}, {5, 100, 1}, {7, 20, 3}}) {
    const double rows = double(step.n_rows()), wanted = double(step.batch);
    EXPECT_DOUBLE_EQ(step_ledger(c, weights, traffic, step).weight_products,
                     3 * rows * qkv + (2 * rows + wanted) * behind + wanted * head);
  }
}

TEST(Ledger, WeightsAreThoseThatWerePacked) {
  for (const char* family : {"llama", "qwen2", "qwen3"}) {
    lowkey::testing::TinySpec spec;
    spec.family = family;
    spec.tied_output = family[0] == 'l';
    EngineOptions options;
    options.n_threads = 1;
    const auto engine = lowkey::testing::tiny_engine(spec, options);
    const WeightTraffic packed = weight_traffic(engine->config(), engine->weights());
    EXPECT_DOUBLE_EQ(packed.bytes(), weight_traffic(engine->config(), 32.0).bytes());
    EXPECT_DOUBLE_EQ(packed.bytes(), 4 * (packed.layer_elements + packed.head_elements));
    double n = 0;
    for (const auto& tensor : lowkey::testing::tiny_tensors(spec))
      n += double(tensor.values.size());
    EXPECT_DOUBLE_EQ(n_parameters(engine->config()), n) << family;
  }
}

TEST(Ledger, AFewOfTheBestLogitsReadTheScreen) {
  models::ModelConfig c = shape();
  c.n_vocab = 16000;
  const CacheTraffic traffic = cache_traffic(c, cache_spec("f16")).value();
  WeightTraffic weights = weight_traffic(c, 8.5);
  const auto read = [&](int64_t batch, int64_t top_k) {
    return step_ledger(c, weights, traffic, {100, 1, batch, false, top_k}).weights;
  };
  EXPECT_EQ(read(1, 40), weights.bytes()) << "no screen";
  weights.screen_bytes = weights.head_bytes / 2;
  const double panel = 16 * weights.head_bytes / c.n_vocab;
  for (const int64_t batch : {1, 3}) {
    for (const int64_t k : {1, 40}) {
      EXPECT_DOUBLE_EQ(read(batch, k), weights.layer_bytes + weights.screen_bytes +
                                           double(batch) * Screen::n_exact(double(k)) * panel);
    }
  }
  EXPECT_EQ(read(1, 0), weights.bytes()) << "all logits";
  EXPECT_EQ(read(1, 100), weights.bytes()) << "too many of 16,000";
  EXPECT_EQ(read(4, 1), weights.bytes()) << "too many sequences";
}

TEST(Ledger, ABatchSharesTheWeights) {
  const CacheTraffic traffic = cache_traffic(shape(), cache_spec("q8_0")).value();
  const WeightTraffic weights = weight_traffic(shape(), 4.5);
  const Ledger one = step_ledger(shape(), weights, traffic, {100, 1, 1});
  const Ledger many = step_ledger(shape(), weights, traffic, {100, 1, 16});
  EXPECT_EQ(many.weights, one.weights);
  EXPECT_DOUBLE_EQ(many.weight_products, 16 * one.weight_products);
  EXPECT_DOUBLE_EQ(many.bytes() - many.weights, 16 * (one.bytes() - one.weights));
}

TEST(Machine, InterpolatesItsCurve) {
  Machine m;
  EXPECT_EQ(m.bandwidth(1e6), 0.0);
  m.curve = {{1e6, 100e9, 80e9}, {1e8, 20e9, 15e9}};
  EXPECT_DOUBLE_EQ(m.bandwidth(1e3), 100e9);
  EXPECT_DOUBLE_EQ(m.bandwidth(1e6), 100e9);
  EXPECT_NEAR(m.bandwidth(1e7), 60e9, 1.0);  // half way in the logarithm
  EXPECT_DOUBLE_EQ(m.bandwidth(1e8), 20e9);
  EXPECT_DOUBLE_EQ(m.bandwidth(1e12), 20e9);
}

TEST(Machine, KnownOnesHaveNames) {
  for (const MachineNumbers& numbers : known_machines()) {
    EXPECT_EQ(find_machine(numbers.name)->dram, numbers.dram);
    EXPECT_LT(machine_of(numbers).bandwidth(1e9), numbers.dram);
  }
  const auto unknown = find_machine("abacus");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message().find("graviton4"), std::string::npos);
}

TEST(Predict, MemoryOrProductsWhicheverTakesLonger) {
  Machine m;
  m.curve = {{1.0, 10e9, 10e9}};
  Ledger l;
  l.weights = 5e9;
  l.k_codes = 2e9;
  const StepShape step{0, 1, 1};
  EXPECT_DOUBLE_EQ(predict(m, l, step, 1).seconds(), 0.7);
  EXPECT_DOUBLE_EQ(predict(m, l, step, 1).memory_seconds, 0.7);
  l.weight_products = l.attend_products = 8e9;
  m.weights = {{1, 10e9, 1.0}};
  m.attend_products = 80e9;
  EXPECT_DOUBLE_EQ(predict(m, l, step, 1).weight_seconds, 0.8);  // products
  EXPECT_DOUBLE_EQ(predict(m, l, step, 1).attend_seconds, 0.2);  // bytes
  m.row_seconds = 0.02;
  m.sequence_seconds = 0.03;
  EXPECT_DOUBLE_EQ(predict(m, l, step, 2).other_seconds, 0.1);
  m.entry_seconds = 0.001;
  EXPECT_DOUBLE_EQ(predict(m, l, {0, 3, 1}, 2).other_seconds, 2 * (3 * 0.02 + 0.03 + 0.002));
}

TEST(Predict, TimeGrowsLinearlyWithDepthAsTheBytesDo) {
  const CacheTraffic traffic = cache_traffic(shape(), cache_spec("q4_0", 4, 32)).value();
  const WeightTraffic weights = weight_traffic(shape(), 4.5);
  Machine m = machine_of(find_machine("pi5").value());
  m.n_threads = 1;  // several wait for each other
  const auto seconds = [&](int64_t depth) {
    const StepShape step{depth, 1, 1};
    return predict(m, step_ledger(shape(), weights, traffic, step), step, 3).seconds();
  };
  const double slope = (seconds(2000) - seconds(1000)) / 1000;
  EXPECT_GT(slope, 0.0);
  EXPECT_NEAR((seconds(9000) - seconds(2000)) / 7000, slope, 1e-9 * slope);
}

TEST(Predict, ThreadsWaitForTheLongestTasks) {
  const CacheTraffic traffic = cache_traffic(shape(), cache_spec("f16")).value();
  Machine m;
  m.attend_products = 1e9;
  const auto seconds = [&](int n_threads, int64_t depth, int64_t batch) {
    m.n_threads = n_threads;
    const StepShape step{depth, 1, batch};
    return predict(m, step_ledger(shape(), {}, traffic, step), step, 3).attend_seconds;
  };
  // Two KV heads of one stretch of tokens: two tasks.
  EXPECT_DOUBLE_EQ(seconds(2, 999, 1), seconds(1, 999, 1));
  EXPECT_DOUBLE_EQ(seconds(4, 999, 1), 2 * seconds(1, 999, 1));
  EXPECT_DOUBLE_EQ(seconds(4, 999, 2), 2 * seconds(1, 999, 1)) << "four tasks";
  // Four stretches of a head, the last with what is left.
  EXPECT_NEAR(seconds(2, 9999, 1), seconds(1, 9999, 1), 0.2 * seconds(1, 9999, 1));
}

TEST(Predict, RowsShareWeightsAsFarAsWasMeasured) {
  Machine m;
  m.curve = {{1.0, 10e9, 10e9}};
  m.weights = {{1, 10e9, 0.5}, {2, 16e9, 0.5}, {4, 20e9, 0.4}};
  Ledger l;
  l.weights = 1e9;
  const auto seconds = [&](int64_t rows) {
    l.weight_products = 1e9 * double(rows);
    return predict(m, l, {0, 1, rows}, 1).weight_seconds;
  };
  EXPECT_DOUBLE_EQ(seconds(1), 0.2);  // bytes at half the bandwidth
  EXPECT_DOUBLE_EQ(seconds(2), 0.2);
  EXPECT_DOUBLE_EQ(seconds(3), 0.225);  // half way to four rows
  EXPECT_DOUBLE_EQ(seconds(4), 0.25);
  EXPECT_DOUBLE_EQ(seconds(16), 0.8);  // products
}

TEST(Rates, PlaceholdersCostAboutWhatTheyStandFor) {
  models::ModelConfig one = shape();
  one.n_layers = 1;
  for (const double bits : {1.0, 2.0, 2.5, 3.0, 4.0}) {
    const auto traffic = cache_traffic(one, placeholder_latents(one, bits));
    ASSERT_TRUE(traffic.ok()) << traffic.error().message();
    // Groups of 4 coordinates have whole widths: 4 bits of 64 coordinates at most are lost.
    EXPECT_NEAR(traffic->layout.bits_per_element(), bits, 4.0 / 64 + 1e-9);
  }
}

TEST(Rates, AreFoundForEveryKindOfCache) {
  Team team(2);
  const auto kernels = simd::select_kernel_set("");
  ASSERT_TRUE(kernels.ok());
  Context context{*kernels, &team, Precision::kDefault, true};
  models::ModelConfig config = shape();
  config.n_layers = 1;
  Machine m;
  m.n_threads = 2;
  ASSERT_TRUE(measure_weight_rates(context, config, DType::kQ4_0, m).ok());
  EXPECT_EQ(m.weights.back().rows, 512.0) << "prompts have products of their own";
  context.bf16_prefill = false;
  ASSERT_TRUE(measure_weight_rates(context, config, DType::kQ4_0, m).ok() && !m.weights.empty());
  for (const WeightRate& rate : m.weights) EXPECT_GT(rate.products, 0.0);
  for (const CacheSpec& spec : {cache_spec("q8_0h", 4, 32), placeholder_latents(config, 2.5)}) {
    m.attend_products = m.attend_products_many = 0;
    ASSERT_TRUE(measure_attend_rates(context, config, spec, m).ok());
    EXPECT_GT(m.attend_products, 0.0);
    EXPECT_GT(m.attend_products_many, 0.0);
  }
}

TEST(Bandwidth, CoversWorkingSetsUpToTheLargest) {
  Team team(2);
  constexpr int64_t kLargest = 300000;
  int n_reports = 0;
  const auto curve = bandwidth_curve(team, kLargest, [&](int done, int total) {
    EXPECT_EQ(done, ++n_reports);
    EXPECT_EQ(total, 3);
  });
  ASSERT_TRUE(curve.ok()) << curve.error().message();
  ASSERT_EQ(curve->size(), 3u);
  EXPECT_EQ((*curve)[0].working_set, 131072.0);
  EXPECT_EQ((*curve)[2].working_set, double(kLargest));
  for (const BandwidthPoint& point : *curve) {
    EXPECT_GT(point.read, 0.0);
    EXPECT_GT(point.triad, 0.0);
  }
}

}  // namespace
}  // namespace lowkey::engine
