// The latent cache: attention on the integer codes against reconstruction and plain attention.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>

#include "base/half.h"
#include "engine/kv/latent_code.h"
#include "simd/select.h"
#include "tests/support/cache_filler.h"
#include "tests/support/half_matrix.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::AttendProblem;
using lowkey::testing::SeenToken;
using Doubles = std::vector<double>;

constexpr int kHeadDim = 32, kHeads = 2, kGroup = 3, kTokens = 700;

/// Rows of a random orthonormal matrix [d, d] (Gram-Schmidt).
std::vector<float> orthonormal(int d, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::vector<float> out;
  std::vector<Doubles> rows;
  while (int(rows.size()) < d) {
    Doubles row;
    for (int i = 0; i < d; ++i) row.push_back(normal(random));
    for (const Doubles& other : rows) {
      double dot = 0.0;
      for (int i = 0; i < d; ++i) dot += row[size_t(i)] * other[size_t(i)];
      for (int i = 0; i < d; ++i) row[size_t(i)] -= dot * other[size_t(i)];
    }
    double norm = 0.0;
    for (const double x : row) norm += x * x;
    for (double& x : row) x /= std::sqrt(norm);
    rows.push_back(row);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

LatentSideCode random_side(bool is_value) {
  LatentSideCode side;
  side.d = kHeadDim;
  side.mean.assign(size_t(side.d), is_value ? 1.0f : 0.3f);
  // 26 of 32 coordinates are stored; the last group is cut short.
  for (const int width : {8, 6, 5, 4, 4, 3, 2}) side.widths.push_back(uint8_t(width));
  for (int i = 0; i < 26; ++i) {
    side.steps.push_back(5.0f / float(1 << side.widths[size_t(i / 4)]));
  }
  return side;
}

std::shared_ptr<const LatentCode> random_code() {
  std::mt19937_64 random(3);
  auto code = std::make_shared<LatentCode>();
  code->n_layers = 1;
  code->n_kv_heads = kHeads;
  code->head_dim = kHeadDim;
  auto matrices = LatentMatrices::create(1, kHeads, kHeadDim);
  EXPECT_TRUE(matrices.ok());
  for (size_t h = 0; h < kHeads; ++h) {
    code->k.push_back(random_side(false));
    code->v.push_back(random_side(true));
    // D = E^T
    const std::vector<float> keys = orthonormal(kHeadDim, random);
    const std::vector<float> values = orthonormal(kHeadDim, random);
    matrices->set(LatentWay::kKeys, h, transposed(keys, kHeadDim));
    matrices->set(LatentWay::kQueries, h, transposed(keys, kHeadDim));
    matrices->set(LatentWay::kValues, h, transposed(values, kHeadDim));
    matrices->set(LatentWay::kOutputs, h, values);
  }
  code->matrices = std::make_shared<const LatentMatrices>(std::move(matrices).value());
  return code;
}

/// D z + mean; z may be shorter than d.
Doubles decoded(const LatentCode& code, bool is_key, size_t head, const Doubles& z) {
  const LatentSideCode& side = (is_key ? code.k : code.v)[head];
  return lowkey::testing::decoded(code, is_key, head, side.mean, z);
}

/// What an exact token gives back: its latent in halves.
Doubles through_halves(const LatentCode& code, bool is_key, size_t head, const float* x) {
  const LatentSideCode& side = (is_key ? code.k : code.v)[head];
  const auto m = code.matrices->of(is_key ? LatentWay::kKeys : LatentWay::kValues, head);
  Doubles z;
  for (int i = 0; i < side.d; ++i) {
    double sum = 0.0;
    for (int j = 0; j < side.d; ++j) {
      sum += lowkey::testing::entry(m, j, i) * double(x[j] - side.mean[size_t(j)]);
    }
    z.push_back(double(f16_to_f32(f32_to_f16(float(sum)))));
  }
  return decoded(code, is_key, head, z);
}

/// What the tiles of `cache` give back of one coded token.
Doubles from_tile(const KvCache& cache, const LatentCode& code, simd::LatentSide which, int head,
                  int64_t t) {
  const bool is_key = which == simd::LatentSide::kK;
  const LatentSideCode& side = (is_key ? code.k : code.v)[size_t(head)];
  const auto piece = cache.coded(0).store->piece(head, t, t + 1);
  const std::byte* part = is_key ? piece.run.k : piece.run.v;
  std::vector<float> z(side.steps.size());
  simd::latent_decode(which, side.plan(), part, int(t % simd::kTileTokens), z.data());
  return decoded(code, is_key, size_t(head), Doubles(z.begin(), z.end()));
}

class LatentAttend : public ::testing::TestWithParam<std::pair<int, int>> {
 protected:
  void SetUp() override {
    problem_.n_kv_heads = kHeads;
    problem_.group = kGroup;
    problem_.head_dim = kHeadDim;
    problem_.n_tokens = kTokens;
    lowkey::testing::randomise(problem_, 4);
  }

  std::vector<float> run(int n_threads, KvCache& cache) const {
    Team team(n_threads);
    const auto kernels = simd::select_kernel_set("");
    EXPECT_TRUE(kernels.ok());
    const Context context{*kernels, &team, Precision::kExact, false};
    return lowkey::testing::attend_all(context, problem_, cache, 100, 100);
  }

  KvCache make_cache() const {
    CacheSpec spec;
    spec.latent = code_;
    spec.n_sinks = GetParam().first;
    spec.n_window = GetParam().second;
    auto cache = KvCache::create(problem_.config(), spec, kTokens, 100);
    EXPECT_TRUE(cache.ok()) << cache.error().message();
    return std::move(cache).value();
  }

  /// Rows [n_tokens][head_dim] of one KV head and side, read from the codes or exact.
  std::vector<Doubles> rows(const KvCache& cache, simd::LatentSide which, int head,
                            bool coded) const {
    const bool is_key = which == simd::LatentSide::kK;
    std::vector<Doubles> out;
    for (int64_t t = 0; t < kTokens; ++t) {
      const float* x = is_key ? problem_.key(t, head) : problem_.value(t, head);
      out.push_back(coded ? from_tile(cache, *code_, which, head, t)
                          : through_halves(*code_, is_key, size_t(head), x));
    }
    return out;
  }

  AttendProblem problem_;
  std::shared_ptr<const LatentCode> code_ = random_code();
};

// Queries and weights become integers too. latent_tile.h promises that this adds less than 1 % to
// the noise power of the codes: a tenth of the distance that the codes make by themselves.
TEST_P(LatentAttend, FusedEqualsReconstructThenAttend) {
  using simd::LatentSide;
  KvCache cache = make_cache();
  const std::vector<float> out = run(2, cache);
  double error = 0.0, code_noise = 0.0;
  for (int kv = 0; kv < kHeads; ++kv) {
    const auto k = rows(cache, LatentSide::kK, kv, false),
               v = rows(cache, LatentSide::kV, kv, false);
    const auto coded_k = rows(cache, LatentSide::kK, kv, true);
    const auto coded_v = rows(cache, LatentSide::kV, kv, true);
    for (int64_t position = 0; position < kTokens; position += 23) {
      std::vector<SeenToken> seen, exact;
      for (int64_t t = 0; t <= position; ++t) {
        const size_t i = size_t(t);
        exact.push_back({k[i].data(), v[i].data()});
        const bool is_exact = t < GetParam().first || t > position - GetParam().second;
        seen.push_back(is_exact ? exact.back() : SeenToken{coded_k[i].data(), coded_v[i].data()});
      }
      const int64_t head = kv * kGroup + position % kGroup;
      const int64_t at = (position * kHeads * kGroup + head) * kHeadDim;
      const float* q = problem_.q.data() + at;
      const Doubles expected = lowkey::testing::plain_attention(q, seen, kHeadDim);
      const Doubles floats = lowkey::testing::plain_attention(q, exact, kHeadDim);
      for (int i = 0; i < kHeadDim; ++i) {
        error += std::pow(double(out[size_t(at + i)]) - expected[size_t(i)], 2);
        code_noise += std::pow(floats[size_t(i)] - expected[size_t(i)], 2);
      }
    }
  }
  EXPECT_GT(code_noise, 0.0);
  EXPECT_LT(error, 0.01 * code_noise) << std::sqrt(error / code_noise);
}

TEST_P(LatentAttend, DoesNotDependOnTheThreads) {
  KvCache one = make_cache(), two = make_cache(), four = make_cache();
  const std::vector<float> out = run(1, one);
  EXPECT_EQ(run(2, two), out);
  EXPECT_EQ(run(4, four), out);
}

// The smallest budgets store nothing of a layer: what is left is the mean, and exact tokens.
TEST_P(LatentAttend, NothingStoredGivesTheMean) {
  auto code = std::make_shared<LatentCode>(*random_code());
  for (std::vector<LatentSideCode>* sides : {&code->k, &code->v}) {
    for (LatentSideCode& side : *sides) side.widths.clear(), side.steps.clear();
  }
  code_ = code;
  KvCache cache = make_cache();
  const std::vector<float> out = run(2, cache);
  for (const float x : out) ASSERT_TRUE(std::isfinite(x));
  if (GetParam() != std::pair{0, 0}) return;
  for (const float x : out) ASSERT_NEAR(x, 1.0f, 1e-6f);  // the mean of random_side's values
}

INSTANTIATE_TEST_SUITE_P(Exact, LatentAttend,
                         ::testing::Values(std::pair{0, 0}, std::pair{4, 0}, std::pair{0, 8},
                                           std::pair{4, 32}));

TEST(LatentCode, MisfitsAreErrors) {
  models::ModelConfig config;
  config.n_layers = 1;
  config.n_heads = config.n_kv_heads = kHeads;
  config.head_dim = kHeadDim;
  const LatentCode good = *random_code();
  EXPECT_TRUE(check_latent_code(good, config).ok());
  const auto refused = [&](auto damage) {
    LatentCode code = good;
    damage(code);
    return !check_latent_code(code, config).ok();
  };
  EXPECT_TRUE(refused([](LatentCode& c) { c.n_layers = 2; }));
  EXPECT_TRUE(refused([](LatentCode& c) { c.k.pop_back(); }));
  EXPECT_TRUE(refused([](LatentCode& c) { c.v[1].widths[2] = 9; }));
  EXPECT_TRUE(refused([](LatentCode& c) { c.v[1].widths[2] = 0; }));
  EXPECT_TRUE(refused([](LatentCode& c) { c.v[0].widths.pop_back(); }));
  EXPECT_TRUE(refused([](LatentCode& c) { c.k[0].steps[3] = 0.0f; }));
  EXPECT_TRUE(refused([](LatentCode& c) { c.k[0].steps[3] = std::nanf(""); }));
  EXPECT_TRUE(refused([](LatentCode& c) { c.k[1].mean.pop_back(); }));
  EXPECT_TRUE(refused([](LatentCode& c) { c.matrices = nullptr; }));
  EXPECT_TRUE(refused([](LatentCode& c) {
    auto other = LatentMatrices::create(1, kHeads, kHeadDim - 1);
    c.matrices = std::make_shared<const LatentMatrices>(std::move(other).value());
  }));
  EXPECT_TRUE(refused([](LatentCode& c) { c.k[1].steps.resize(33, 1.0f); }));
}

}  // namespace
}  // namespace lowkey::engine
