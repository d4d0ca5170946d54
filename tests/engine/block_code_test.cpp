// The fixed codes that the latent one is measured against.
#include "engine/kv/block_code.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "simd/scalar/kv_codes.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;
using lowkey::testing::distance;
using lowkey::testing::feed_hidden;
using lowkey::testing::open_session;
using lowkey::testing::random_tokens;

std::vector<float> gaussian(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> draw;
  std::vector<float> x(n);
  for (float& value : x) value = draw(random);
  return x;
}

double squared_error(const std::vector<float>& x, int width) {
  std::vector<float> rounded = x;
  round_blocks(rounded, width);
  double error = 0;
  for (size_t i = 0; i < x.size(); ++i) error += std::pow(double(x[i]) - double(rounded[i]), 2);
  return error;
}

TEST(BlockCode, FourBitsAreTheCodeOfQ4) {
  std::vector<float> x = gaussian(64 * 32, 1);
  std::fill_n(x.begin(), 32, 0.0f);       // a block of nothing
  std::fill_n(x.begin() + 32, 32, 3e9f);  // beyond what a scale can say
  for (int i = 64; i < 96; ++i) x[size_t(i)] *= 1e-6f;
  std::vector<float> rounded = x;
  round_blocks(rounded, 4);
  for (size_t at = 0; at < x.size(); at += 32) {
    const simd::scalar::KvBlock block = simd::scalar::encode_q4_0(x.data() + at);
    for (size_t i = 0; i < 32; ++i) {
      ASSERT_EQ(rounded[at + i], f16_to_f32(block.scale) * float(block.code[i] - 8)) << at + i;
    }
  }
}

TEST(BlockCode, EveryBitTakesAwayAboutThreeQuartersOfTheError) {
  const std::vector<float> x = gaussian(400 * 32, 2);
  for (int width = 2; width < 8; ++width) {
    const double ratio = squared_error(x, width + 1) / squared_error(x, width);
    EXPECT_GT(ratio, 0.17) << width;
    EXPECT_LT(ratio, 0.30) << width;
  }
}

TEST(HadamardControl, NamesSayTheWidths) {
  for (const auto& [name, k, v] :
       {std::tuple{"hadamard-k2v4", 2.5, 4.5}, {"hadamard-k4v3", 4.5, 3.5}}) {
    const auto spec = hadamard_control(name);
    ASSERT_TRUE(spec.has_value());
    EXPECT_EQ(spec->codec_bits_k, k);
    EXPECT_EQ(spec->codec_bits_v, v);
    EXPECT_EQ(cache_name(*spec), name);
  }
  for (const char* name : {"hadamard-k1v2", "hadamard-k2v5", "hadamard-k4v", "hadamard-k4v44",
                           "hadamard_k4v4", "hadamard-v4k4", ""}) {
    EXPECT_FALSE(hadamard_control(name).has_value()) << name;
    const auto refused = parse_cache_type(name);
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_NE(refused.error().message().find("hadamard-k4v4"), std::string::npos);
  }
}

class HadamardCache : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = lowkey::testing::exact_tiny_engine(kVocab, 1); }
  static void TearDownTestSuite() { engine_.reset(); }

  static std::vector<float> hidden(const char* cache, int n_sinks, int n_window) {
    Session session = open_session(*engine_, {cache_spec(cache, n_sinks, n_window), 200, 64});
    return feed_hidden(session, random_tokens(150, kVocab, 3));
  }

  static constexpr int kVocab = 64;
  static inline std::unique_ptr<Engine> engine_;
};

// The same codes; what is left is f16's rounding of codes times scales, and how sums are made.
TEST_F(HadamardCache, FourBitsGiveWhatQ4WithTheSameRotationGives) {
  for (const auto& [sinks, window] : {std::pair{0, 0}, {4, 8}}) {
    const auto control = hidden("hadamard-k4v4", sinks, window);
    const auto q4 = hidden("q4_0h", sinks, window), exact = hidden("f32", 0, 0);
    const double rounding = distance(control, q4).mean, coding = distance(q4, exact).mean;
    EXPECT_LT(rounding, coding / 40) << rounding << " of " << coding;
    EXPECT_GT(coding, 0.0);
  }
}

TEST_F(HadamardCache, FewerBitsCostMoreOnEitherSide) {
  const auto exact = hidden("f32", 0, 0);
  for (const auto& [better, worse] : {std::pair{"hadamard-k4v4", "hadamard-k3v4"},
                                      {"hadamard-k4v4", "hadamard-k4v3"},
                                      {"hadamard-k3v3", "hadamard-k2v3"},
                                      {"hadamard-k3v3", "hadamard-k3v2"}}) {
    EXPECT_LT(distance(hidden(better, 0, 0), exact).mean, distance(hidden(worse, 0, 0), exact).mean)
        << better << " against " << worse;
  }
}

TEST_F(HadamardCache, BytesCountCodesAndScales) {
  const models::ModelConfig& config = engine_->config();
  const auto layout = [&](const char* name) {
    auto cache = KvCache::create(config, cache_spec(name, 4, 8), 100, 16);
    EXPECT_TRUE(cache.ok());
    return cache->layout();
  };
  EXPECT_EQ(layout("hadamard-k4v4").bits_per_element(), layout("q4_0h").bits_per_element());
  EXPECT_EQ(layout("hadamard-k4v4").total_bytes(100), layout("q4_0h").total_bytes(100));
  EXPECT_EQ(layout("hadamard-k3v2").bits_per_element(), 3.0);
  models::ModelConfig small = config;
  small.head_dim = 16;
  EXPECT_FALSE(KvCache::create(small, cache_spec("hadamard-k4v4"), 100, 16).ok())
      << "a block of 32 would reach over two heads";
}

}  // namespace
}  // namespace lowkey::engine
