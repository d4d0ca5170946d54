// Learning with means that turn: the loss sees what the cache makes of the keys.
#include <gtest/gtest.h>

#include <algorithm>

#include "calib/build.h"
#include "calib/calibrate.h"
#include "calib/learn/layer_loss.h"
#include "calib/simulate.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::calib {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
constexpr int kChunk = 48;
constexpr ExactTokens kExact{2, 4};

CalibrateOptions options_of(const char* method) {
  CalibrateOptions options;
  options.method = method;
  options.centring = "rotary";
  options.n_chunk = kChunk;
  options.n_positions = 256;
  options.n_sinks = kExact.n_sinks;
  options.window = kExact.window;
  options.bits = 2.5;
  options.measure_sensitivity = false;
  return options;
}

/// The head's code with the steps that the file stores.
LearnedBasis basis_of(const models::HeadBasis& head, bool turned) {
  const int d = head.d();
  const auto square = [&](const std::vector<float>& m) {
    return Matrix(Eigen::Map<const RowMajor>(m.data(), d, d).cast<double>());
  };
  LearnedBasis out{
      square(head.encoder), square(head.decoder), Vector::Zero(d), {}, Vector::Ones(d)};
  const Eigen::Map<const Eigen::VectorXf> variances(head.variances.data(), d);
  const Vector diagonal = variances.cast<double>();
  out.covariance = out.decoder * diagonal.asDiagonal() * out.decoder.transpose();
  const Eigen::Map<const Eigen::VectorXf> mean(head.mean.data(), d);
  if (!turned) out.mean = mean.cast<double>();
  return out;
}

struct LayerCode {
  LayerBases bases;
  LayerWidths widths;
  KeyFrame frame;
};

LayerCode code_of(const models::LayerBasis& layer) {
  LayerCode out;
  for (const models::HeadBasis& head : layer.k.heads) {
    out.bases.k.push_back(basis_of(head, true));
    out.widths.k.push_back(head.widths);
    out.frame.turned_means.push_back(
        Eigen::Map<const Eigen::VectorXf>(head.mean.data(), head.d()).cast<double>());
  }
  for (const models::HeadBasis& head : layer.v.heads) {
    out.bases.v.push_back(basis_of(head, false));
    out.widths.v.push_back(head.widths);
  }
  return out;
}

/// The same loss from the code that the cache simulates.
double loss_of_cache(const engine::Engine& engine, const models::BasisFile& file, int l,
                     const SampledText& text) {
  const models::ModelConfig& c = engine.config();
  const LayerModel<float> model(
      layer_matrices<float>(engine.weights().layers[size_t(l)], c.norm_eps),
      {c.n_heads, c.n_kv_heads, c.head_dim}, kExact);
  const auto code = simulated_code(engine, std::make_shared<const models::BasisFile>(file));
  KvRows<float> coded{text.rows.k, text.rows.v};
  code(l, text.first, matrix(coded.k.data(), coded.k.rows(), coded.k.cols()),
       matrix(coded.v.data(), coded.v.rows(), coded.v.cols()));
  LayerTape<float> tape;
  const Rows<float> exact = model.forward(text.rows, {text.rows.k, text.rows.v}, tape);
  const Rows<float> moved = model.forward(text.rows, coded, tape) - exact;
  return (moved.rowwise().squaredNorm().cast<double>().array() /
          exact.rowwise().squaredNorm().cast<double>().array())
      .mean();
}

TEST(TurnedMeanTest, LossIsThatOfTheSimulatedCache) {
  const auto engine = testing::tiny_engine({}, {});
  const auto tokens = testing::random_tokens(6 * kChunk, engine->config().n_vocab, 5);
  const auto made = calibrate(*engine, tokens, options_of("fisher"));
  ASSERT_TRUE(made.ok()) << made.error().message();
  SampleOptions sampling;
  sampling.n_chunk = kChunk;
  sampling.n_positions = 256;
  sampling.exact = kExact;
  const auto samples = sample_texts(*engine, tokens, sampling);
  ASSERT_TRUE(samples.ok());
  for (size_t l = 0; l < made->file.layers.size(); ++l) {
    models::BasisFile file = made->file;
    for (auto& head : file.layers[l].v.heads) {  // values exact: keys alone make the loss
      std::ranges::fill(head.widths, uint8_t{16});
      std::ranges::fill(head.steps, 0.0f);
    }
    LayerCode code = code_of(file.layers[l]);
    // A mean that matters: that of random keys is nearly zero.
    for (size_t h = 0; h < code.frame.turned_means.size(); ++h) {
      code.frame.turned_means[h].array() += 3.0;
    }
    for (auto& head : file.layers[l].k.heads) {
      for (float& x : head.mean) x += 3.0f;
    }
    const LayerLoss loss(*engine, int(l), kExact, code.frame, (*samples)[l].texts);
    ASSERT_GT((*samples)[l].texts[2].first, 0);
    const double wanted = loss_of_cache(*engine, file, int(l), (*samples)[l].texts[2]);
    EXPECT_GT(wanted, 1e-6);
    // Both round in float, but a coordinate on the edge of two steps may fall either way.
    EXPECT_NEAR(loss(2, code.bases, code.widths), wanted, 0.02 * wanted);
    const LayerLoss unturned(*engine, int(l), kExact, {}, (*samples)[l].texts);
    EXPECT_GT(std::abs(unturned(2, code.bases, code.widths) - wanted), 0.05 * wanted);
  }
}

TEST(TurnedMeanTest, LearningHelpsAndKeepsTheMeans) {
  const auto engine = testing::tiny_engine({}, {});
  const auto tokens = testing::random_tokens(6 * kChunk, engine->config().n_vocab, 5);
  const auto start = calibrate(*engine, tokens, options_of("fisher"));
  const auto learned = calibrate(*engine, tokens, options_of("learned"));
  ASSERT_TRUE(start.ok() && learned.ok());
  EXPECT_LT(learned->learned_loss, 0.999);
  EXPECT_EQ(learned->file.centring, "rotary");
  EXPECT_TRUE(models::check_basis(learned->file, "test").ok());
  for (size_t l = 0; l < start->file.layers.size(); ++l) {
    for (size_t h = 0; h < start->file.layers[l].k.heads.size(); ++h) {
      const auto& old = start->file.layers[l].k.heads[h];
      const auto& now = learned->file.layers[l].k.heads[h];
      EXPECT_EQ(old.mean, now.mean);
      EXPECT_NE(old.encoder, now.encoder);
    }
  }
}

}  // namespace
}  // namespace lowkey::calib
