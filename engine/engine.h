// The public face: load a model, open sessions, feed tokens, read logits.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/context.h"
#include "engine/decoder/decoder.h"
#include "engine/kv/cache.h"
#include "models/model.h"

namespace lowkey::engine {

struct EngineOptions {
  int n_threads = 0;  // 0: every CPU this process may use
  Pinning pinning = Pinning::kNodes;
  Topology topology;  // memory nodes and their CPUs; empty: as the system says
  std::string isa;    // kernel set; empty: LOWKEY_ISA, else the best that runs
  Precision precision = Precision::kDefault;
  bool screen = true;  // a coarse copy of the vocabulary projection, half its size (screen.h)
  enum class Prefill { kAuto, kInteger, kBf16 } prefill = Prefill::kAuto;
  std::function<void(int done, int total)> progress;  // while weights are packed
};

/// A loaded model with its threads. Sessions borrow it and run one at a time.
class Engine {
 public:
  static Result<std::unique_ptr<Engine>> load(const std::string& path,
                                              const EngineOptions& options);

  const models::ModelConfig& config() const { return model_.config; }
  const models::Model& model() const { return model_; }
  const DecoderWeights& weights() const { return weights_; }
  const Decoder& decoder() const { return decoder_; }
  const Context& context() const { return context_; }
  /// The same weights and threads with other numbers.
  Context context(Precision precision) const;
  int n_threads() const { return team_->size(); }

 private:
  Engine(models::Model model, DecoderWeights weights);

  models::Model model_;
  DecoderWeights weights_;
  Decoder decoder_;
  std::unique_ptr<Team> team_;
  Context context_;
};

class Session;

struct SessionOptions {
  CacheSpec cache;
  int64_t n_context = 2048;
  int n_batch = 512;                   // tokens per prefill block
  const Session* neighbour = nullptr;  // a session of the same engine whose block memory serves too
};

/// One sequence: its cache and the memory of a block.
class Session {
 public:
  static Result<Session> open(const Engine& engine, const SessionOptions& options);

  /// Called after every block with the position of its first row and its final hidden states;
  /// an error stops the feeding.
  using BlockSink = std::function<Status(int64_t first, MatrixView<const float> hidden)>;

  /// Feeds tokens in blocks. Afterwards logits() speaks of the last one. Ids outside the vocabulary
  /// and a context that is too short are found before anything is fed.
  Status feed(std::span<const int32_t> tokens, const BlockSink& sink = {});

  /// Feeds one block (at most n_batch rows) as residual stream x [n, n_embd] from `first_layer` on;
  /// the layers below stay as they are. Returns its final hidden states, valid until the next call.
  Result<MatrixView<const float>> resume(int first_layer, MatrixView<const float> x);

  /// Logits [n_vocab] that follow the last token; valid until the next call. Empty if there is no
  /// such token: before the first one, and after its truncation.
  std::span<const float> logits();
  /// The k best of these, likeliest first; k = 0: all, by their ids. Far fewer bytes are read for
  /// few than for logits(). Valid until the next call.
  std::span<const Candidate> best_logits(int64_t k);
  /// Logits [n, n_vocab] of hidden states that a sink was given.
  void logits(MatrixView<const float> hidden, float* out);

  void set_observer(LayerObserver observer) { observer_ = std::move(observer); }
  void set_precision(Precision precision) { context_ = engine_->context(precision); }

  KvCache& cache() { return cache_; }
  const KvCache& cache() const { return cache_; }
  int64_t n_tokens() const { return cache_.n_tokens(); }
  /// Forgets tokens n and beyond.
  void truncate(int64_t n);

 private:
  friend class Batch;  // engine/session/batch.h feeds many at once
  explicit Session(const Engine& engine)
      : engine_(&engine), context_(engine.context()), rope_(engine.config().rope) {}

  const Engine* engine_;
  Context context_;
  int n_batch_ = 512;
  KvCache cache_;
  RopeTable rope_;
  std::shared_ptr<BlockScratch> scratch_;
  LayerObserver observer_;
  std::vector<float> last_hidden_;
  std::vector<float> logits_;
  std::vector<Candidate> best_;
};

}  // namespace lowkey::engine
