// Codes that follow the text: what is written stays as it is, what comes is coded as a file with
// the version's basis would code it.
#include "engine/kv/adapt.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "engine/kv/load_basis.h"
#include "simd/select.h"
#include "tests/support/cache_filler.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::AttendProblem;

constexpr int kDim = 32, kHeads = 2, kTokens = 600, kEvery = 128;

/// Widths that fall from 6 to 0 over coordinates of falling variance.
models::HeadBasis head_basis() {
  models::HeadBasis head;
  for (int i = 0; i < kDim; ++i) {
    for (int j = 0; j < kDim; ++j) head.encoder.push_back(i == j ? 1.0f : 0.0f);
    head.mean.push_back(0.1f);
    head.variances.push_back(std::pow(0.85f, float(i)));
    head.costs.push_back(1.0f);
    const int width = std::max(0, 6 - i / 4);
    head.widths.push_back(uint8_t(width));
    head.steps.push_back(width > 0 ? 6.0f * std::sqrt(head.variances.back()) / float(1 << width)
                                   : 0.0f);
  }
  head.decoder = head.encoder;
  return head;
}

models::BasisFile basis_file(const std::string& centring) {
  models::BasisFile file;
  file.centring = centring;
  file.n_kv_heads = kHeads;
  file.head_dim = kDim;
  file.layers.resize(1);
  file.layers[0].k.heads.assign(kHeads, head_basis());
  file.layers[0].v.heads.assign(kHeads, head_basis());
  return file;
}

struct Case {
  const char* centring;
  bool turns;
};

class AdaptTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    problem_.n_kv_heads = kHeads;
    problem_.group = 3;
    problem_.head_dim = kDim;
    problem_.n_tokens = kTokens;
    lowkey::testing::randomise(problem_, 4);
    // The text has other means and deviations than the file, and coordinates that move together.
    for (size_t i = 0; i < problem_.k.size(); ++i) {
      const size_t c = i % kDim, other = c > 15 ? i - c : i;
      const float scale = c < 4 ? 0.3f : c > 27 ? 2.0f : 0.5f;
      problem_.k[i] = 0.5f + scale * problem_.k[i] + 0.3f * problem_.k[other];
      problem_.v[i] = scale * problem_.v[i] + 0.3f * problem_.v[other];
    }
    problem_.n_rot = kDim;
    config_ = problem_.config();
  }

  CacheSpec spec(const models::BasisFile& file, int max_versions) const {
    CacheSpec spec;
    spec.latent = *latent_code(file, config_);
    spec.n_sinks = 4;
    spec.n_window = 8;
    if (max_versions > 0) spec.adapt = {kEvery, 0.7, max_versions, GetParam().turns};
    return spec;
  }
  KvCache cache(const CacheSpec& spec) const {
    auto made = KvCache::create(config_, spec, kTokens, 100);
    EXPECT_TRUE(made.ok()) << made.error().message();
    return std::move(made).value();
  }
  AttendProblem first(int n) const {
    AttendProblem part = problem_;
    part.n_tokens = n;
    part.q.resize(size_t(n * kHeads * 3 * kDim));
    part.k.resize(size_t(n * kHeads * kDim));
    part.v.resize(part.k.size());
    return part;
  }
  std::vector<float> attend(const AttendProblem& problem, KvCache& cache, int n_batch = 100,
                            int n_threads = 2) const {
    Team team(n_threads);
    const Context context{*simd::select_kernel_set(""), &team, Precision::kExact, false};
    return lowkey::testing::attend_all(context, problem, cache, n_batch, 3);
  }

  models::ModelConfig config_;
  AttendProblem problem_;
};

std::vector<std::byte> tiles(const KvCache& cache, int64_t end) {
  std::vector<std::byte> out;
  for (int h = 0; h < kHeads; ++h) {
    for (int64_t p = 0; p < end; p += simd::kTileTokens) {
      const auto piece = cache.coded(0).store->piece(h, p, p + simd::kTileTokens);
      const TileShape shape = cache.spec().latent->shapes(0)[size_t(h)];
      out.insert(out.end(), piece.run.k, piece.run.k + shape.k_bytes);
      out.insert(out.end(), piece.run.v, piece.run.v + shape.v_bytes);
    }
  }
  return out;
}

TEST_P(AdaptTest, WrittenTokensAndWhatIsReadOfThemStay) {
  const models::BasisFile file = basis_file(GetParam().centring);
  KvCache adapted = cache(spec(file, 8)), still = cache(spec(file, 0));
  const AttendProblem start = first(kEvery);
  const std::vector<float> before = attend(start, adapted);
  EXPECT_EQ(before, attend(start, still)) << "no version yet";
  const auto codes = tiles(adapted, kEvery);
  EXPECT_EQ(codes, tiles(still, kEvery));

  KvCache whole = cache(spec(file, 8));
  attend(problem_, whole);
  EXPECT_EQ(tiles(whole, kEvery), codes);
  EXPECT_EQ(whole.versions(0).at(kEvery - 1), nullptr);
  ASSERT_NE(whole.versions(0).at(kEvery), nullptr);
  EXPECT_EQ(whole.versions(0).at(kTokens - 1)->begin, kTokens / kEvery * kEvery);
  // Cut back to before the first version, the last tokens of the start are read as before, bit
  // for bit.
  whole.truncate(0);
  EXPECT_EQ(attend(start, whole), before);
  EXPECT_EQ(whole.versions(0).at(kTokens), nullptr);
}

TEST_P(AdaptTest, TheSizeOfBlocksAndTheThreadsDoNotMatter) {
  const models::BasisFile file = basis_file(GetParam().centring);
  KvCache a = cache(spec(file, 8)), b = cache(spec(file, 8));
  attend(problem_, a, 100, 1);
  attend(problem_, b, 37, 2);
  EXPECT_EQ(tiles(a, kTokens / 16 * 16), tiles(b, kTokens / 16 * 16));
}

/// The file whose own code is a version's: E' = turn E, D' = D turn^T, mean' = mean + D shift.
void adopt(const SideVersion& version, models::HeadBasis& head, bool rotary_key) {
  const int d = kDim;
  const auto turn = [&](int i, int j) {
    return version.turn.empty() ? float(i == j) : version.turn[size_t(i * d + j)];
  };
  std::vector<float> encoder(head.encoder.size()), decoder(head.decoder.size());
  for (int i = 0; i < d; ++i) {
    for (int j = 0; j < d; ++j) {
      for (int k = 0; k < d; ++k) {
        encoder[size_t(i * d + j)] += turn(i, k) * head.encoder[size_t(k * d + j)];
        decoder[size_t(i * d + j)] += head.decoder[size_t(i * d + k)] * turn(j, k);
      }
      if (!rotary_key) {
        head.mean[size_t(i)] += head.decoder[size_t(i * d + j)] * version.shift[size_t(j)];
      }
    }
  }
  head.encoder = encoder;
  head.decoder = decoder;
  std::copy(version.steps.begin(), version.steps.end(), head.steps.begin());
}

TEST_P(AdaptTest, NewTokensAreCodedAsByAFileWithTheVersionsBasis) {
  models::BasisFile file = basis_file(GetParam().centring);
  KvCache adapted = cache(spec(file, 1));
  attend(problem_, adapted);
  const LayerVersion* version = adapted.versions(0).at(kTokens - 1);
  ASSERT_NE(version, nullptr);
  EXPECT_EQ(version->begin, kEvery) << "one version at most";
  const bool rotary = file.centring == "rotary";
  for (size_t h = 0; h < kHeads; ++h) {
    adopt(version->k[h], file.layers[0].k.heads[h], rotary);
    adopt(version->v[h], file.layers[0].v.heads[h], false);
  }
  KvCache other = cache(spec(file, 0));
  attend(problem_, other);
  const auto a = tiles(adapted, 592), b = tiles(other, 592);
  ASSERT_EQ(a.size(), b.size());
  // A turned mean is taken away without a shift: keys then differ by it. Values are compared.
  int64_t differing = 0, compared = 0;
  for (int h = 0; h < kHeads; ++h) {
    const TileShape shape = adapted.spec().latent->shapes(0)[size_t(h)];
    for (int64_t p = kEvery; p < 592; p += 16) {
      const auto one = adapted.coded(0).store->piece(h, p, p + 16).run;
      const auto two = other.coded(0).store->piece(h, p, p + 16).run;
      for (int64_t i = 0; i < shape.v_bytes; ++i, ++compared) differing += one.v[i] != two.v[i];
      for (int64_t i = 0; i < shape.k_bytes && !rotary; ++i, ++compared) {
        differing += one.k[i] != two.k[i];
      }
    }
  }
  // Products are rounded in another order: now and then a number crosses a step.
  EXPECT_LT(double(differing), 2e-3 * double(compared));
}

TEST_P(AdaptTest, ATextUnlikeTheFileIsCodedBetter) {
  const models::BasisFile file = basis_file(GetParam().centring);
  CacheSpec exact;
  exact.type = simd::KvType::kF32;
  KvCache adapted = cache(spec(file, 8)), still = cache(spec(file, 0)), full = cache(exact);
  const auto expected = attend(problem_, full);
  const auto error = [&](KvCache& other) {
    const auto found = attend(problem_, other);
    double sum = 0;
    for (size_t i = found.size() / 2; i < found.size(); ++i) {
      sum += std::pow(double(found[i]) - double(expected[i]), 2);
    }
    return sum;
  };
  EXPECT_LT(error(adapted), 0.8 * error(still));
}

TEST_P(AdaptTest, VersionsAreBoundedAndCounted) {
  const models::BasisFile file = basis_file(GetParam().centring);
  for (const int most : {1, 2, 8}) {
    KvCache adapted = cache(spec(file, most));
    const double codes = adapted.layout().coded_bytes_per_token;
    attend(problem_, adapted);
    const int64_t n = std::min(most, (kTokens - 1) / kEvery);
    EXPECT_EQ(adapted.layout().n_versions(kTokens), n);
    const double bytes = (adapted.bytes_per_token() - codes) * kTokens;
    EXPECT_NEAR(bytes, double(n * adapted.layout().version_bytes), 1e-3);
    EXPECT_GE(adapted.layout().total_bytes(kTokens), adapted.used_bytes() - 1);
    KvCache copy = *adapted.fork();
    EXPECT_EQ(copy.versions(0).at(kEvery), adapted.versions(0).at(kEvery)) << "shared";
  }
}

INSTANTIATE_TEST_SUITE_P(CentringAndTurns, AdaptTest,
                         ::testing::Values(Case{"mean", false}, Case{"mean", true},
                                           Case{"rotary", false}, Case{"rotary", true}),
                         [](const auto& test) {
                           return std::string(test.param.centring) +
                                  (test.param.turns ? "AndTurns" : "");
                         });

TEST(AdaptErrorsTest, WhatCannotBeAdaptedIsRefused) {
  models::ModelConfig config;
  config.n_layers = 1;
  config.n_heads = config.n_kv_heads = kHeads;
  config.head_dim = kDim;
  CacheSpec spec;
  const auto refused = [&](const AdaptOptions& options, const char* part) {
    spec.adapt = options;
    const auto made = KvCache::create(config, spec, 100, 10);
    ASSERT_FALSE(made.ok()) << part;
    EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(made.error().message().find(part), std::string::npos) << made.error().message();
  };
  refused({128, 0.5, 1, false}, "a latent cache");
  models::BasisFile file = basis_file("mean");
  spec.latent = *latent_code(file, config);
  refused({100, 0.5, 1, false}, "a multiple of 128");
  refused({128, 0.0, 1, false}, "--adapt-rate");
  refused({128, 1.5, 1, false}, "--adapt-rate");
  refused({128, 0.5, 0, false}, "--adapt-versions");
  std::ranges::fill(file.layers[0].v.heads[1].variances, 0.0f);
  spec.latent = *latent_code(file, config);
  refused({128, 0.5, 1, false}, "variances");
}

}  // namespace
}  // namespace lowkey::engine
