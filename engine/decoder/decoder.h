// One pass of a block of tokens through all layers; a decode step is a block of one.
#pragma once

#include <functional>
#include <span>

#include "base/function_ref.h"
#include "engine/attend/attend.h"
#include "engine/context.h"
#include "engine/decoder/best_logits.h"
#include "engine/decoder/rope_table.h"
#include "engine/kv/cache.h"
#include "engine/weights/decoder_weights.h"

namespace lowkey::engine {

/// What a layer computed for a block, shown to an observer (calibration). Rows are tokens.
struct LayerView {
  int layer = 0;
  int64_t first = 0;                        // position of row 0
  MatrixView<const float> input;            // [n, n_embd] residual stream before the layer
  MatrixView<const float> normed;           // [n, n_embd] attention's input
  MatrixView<const float> q_raw, k_raw, v;  // before RoPE, [n, heads * head_dim]
  MatrixView<const float> q, k;             // after RoPE
};

using LayerObserver = std::function<void(const LayerView&)>;

/// Rows of a block that belong together: tokens of one sequence, in the order of their positions.
struct SequenceRows {
  KvCache* cache = nullptr;
  Range rows;
  Range wanted;  // where the outcome of the last wanted.size() of them goes

  Range wanted_rows() const { return {rows.end - wanted.size(), rows.end}; }
};

/// Memory of one block, reused by every layer and step.
struct BlockScratch {
  static Result<BlockScratch> allocate(const models::ModelConfig& config, int n_batch);

  int n_batch = 0;
  std::vector<SequenceRows> sequences;  // of the block in work
  std::vector<int64_t> positions;       // of its rows
  Buffer<float> x;                      // [n, n_embd] residual stream
  Buffer<float> normed;                 // [n, n_embd]
  Buffer<float> qkv;                    // [n, (n_heads + 2 n_kv_heads) * head_dim]
  Buffer<float> attended;               // [n, n_heads * head_dim]
  Buffer<float> gate_up;                // [n, 2 n_ff], rows apart
  Buffer<float> ffn;                    // [n, n_ff], rows apart
  Buffer<float> raw;                    // copy of q and k before RoPE, only when observed
  ActivationScratch activations;
  AttendScratch attend;
  BestScratch best;
};

class Decoder {
 public:
  Decoder(const models::ModelConfig& config, const DecoderWeights& weights)
      : config_(config), weights_(weights) {}

  /// Whether all ids are of the vocabulary.
  Status check_tokens(std::span<const int32_t> tokens) const;

  /// Tokens of a sequence, checked by the caller, at positions cache.n_tokens() on.
  struct Entry {
    KvCache* cache = nullptr;
    std::span<const int32_t> tokens;
    bool last_only = false;  // of their final hidden states
  };
  /// One step of one or several sequences: the rows of all of them, one sequence after another,
  /// meet the weights together; every cache takes and shows its own. At most scratch.n_batch rows.
  /// Returns the final hidden states after the output norm, [n, n_embd], of all rows or of each
  /// sequence's last: of rows that nobody wants the last layer makes keys and values alone. Valid
  /// until the next call.
  Result<MatrixView<const float>> forward(const Context& context, std::span<const Entry> entries,
                                          RopeTable& rope, BlockScratch& scratch,
                                          const LayerObserver* observer = nullptr) const;

  /// The same from layer `first_layer` on, given the residual stream x [n, n_embd] before it: what
  /// a change in that layer does to the outcome, without the layers that it cannot touch.
  Result<MatrixView<const float>> resume(const Context& context, int first_layer,
                                         MatrixView<const float> x, KvCache& cache, RopeTable& rope,
                                         BlockScratch& scratch) const;

  /// logits [n, n_vocab] of hidden states.
  void logits(const Context& context, MatrixView<const float> hidden, BlockScratch& scratch,
              float* out) const;
  /// The k best of each instead, likeliest first; k = 0: all, by their ids. out: a list for every
  /// row.
  void best_logits(const Context& context, MatrixView<const float> hidden, int64_t k,
                   BlockScratch& scratch, std::span<std::vector<Candidate>> out) const;

 private:
  struct Step;
  /// The block of scratch.sequences.
  Result<Step> begin(const Context& context, RopeTable& rope, BlockScratch& scratch) const;
  MatrixView<const float> finish(int first_layer, Step& step) const;
  void embed(const Entry& entry, Range rows, Step& step) const;
  void layer(int index, Step& step) const;
  /// Rows whose outcome nobody wants leave the block.
  void drop_unwanted(Step& step) const;
  void project(int index, Step& step) const;
  void attend_all(int index, Step& step) const;
  void output(int index, Step& step) const;
  bool is_last(int index) const { return index + 1 == config_.n_layers; }
  const Linear& after(int index, int64_t n) const;
  void feed_forward(int index, Step& step) const;
  void prepare_heads(int index, Step& step) const;
  /// work(rows) for all rows at once, with the threads inside; or, where there are many, for
  /// pieces of them, each on one thread, whose rows stay in its cache on their way.
  void by_rows(int index, Step& step, FunctionRef<void(Step& rows)> work) const;

  const models::ModelConfig& config_;
  const DecoderWeights& weights_;
};

}  // namespace lowkey::engine
