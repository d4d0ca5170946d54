// How far the whole model's output moves when all its keys and values are coded, and the gradient
// of that with respect to every layer's code.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "calib/learn/whole_layer.h"
#include "engine/engine.h"

namespace lowkey::calib {

struct ModelLossOptions {
  int n_texts = 32;   // spread over the tokens; fewer if there are not so many
  int n_chunk = 512;  // tokens of each
  int stride = 2;     // every so many-th position of a text's last three quarters is looked at
  /// Texts are spread over positions [0, n_positions), as statistics are (CollectOptions).
  int64_t n_positions = 8192;
  ExactTokens exact;
};

class ModelLoss {
 public:
  /// Keeps f32 copies of all of the model's weights, twice. `frames` has one entry per layer. The
  /// engine must outlive the loss.
  static Result<ModelLoss> create(const engine::Engine& engine, std::span<const int32_t> tokens,
                                  std::vector<KeyFrame> frames, const ModelLossOptions& options);

  size_t n_texts() const { return texts_.size(); }

  /// Mean KL divergence (nats) of the model with coded keys and values from the exact one, over
  /// text `i`'s positions, on the calling thread alone. Adds to `gradient`, if given, `weight`
  /// times the divergence's. One entry per layer in everything.
  double operator()(size_t i, const std::vector<LayerBases>& bases,
                    const std::vector<LayerWidths>& widths,
                    std::vector<LayerGradient>* gradient = nullptr, double weight = 1.0) const;

  std::vector<LayerGradient> zero_gradient() const;

 private:
  struct Text {
    Rows<float> embedded;  // [n, n_embd]
    Rows<float> phases;    // [n, n_rot]
    Rows<float> exact;     // [positions, n_embd]: final hidden states with the exact cache
  };

  ModelLoss() = default;
  void add_weights(const engine::Engine& engine, const ExactTokens& exact);
  Status add_text(engine::Session& session, std::span<const int32_t> tokens, int64_t first);
  /// Divergence at all positions of a text; `hidden` [positions, n_embd] becomes the gradient of
  /// their mean with respect to it.
  double compare(const Text& text, bool wants_gradient, Rows<float>& hidden) const;

  const engine::Engine* engine_ = nullptr;
  std::vector<int> positions_;
  std::vector<KeyFrame> frames_;
  std::vector<WholeLayer<float>> layers_;
  Rows<float> head_, head_t_;  // [n_vocab, n_embd] and its transpose
  Column<float> output_norm_;
  std::vector<Text> texts_;
};

}  // namespace lowkey::calib
