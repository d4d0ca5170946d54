#include "engine/decoder/decoder.h"

#include <algorithm>
#include <string>

#include "engine/decoder/step.h"

namespace lowkey::engine {

namespace {

/// Floats from one row to the next of a matrix that a product writes or reads by columns: rows a
/// power of two apart would fight for the same cache lines.
int64_t apart(int64_t n_cols) { return n_cols % 256 == 0 ? n_cols + 16 : n_cols; }

}  // namespace

Result<BlockScratch> BlockScratch::allocate(const models::ModelConfig& c, int n_batch) {
  BlockScratch s;
  s.n_batch = n_batch;
  const int64_t n = n_batch, n_q = c.n_q();
  const int64_t n_qkv = n_q + 2 * c.n_kv();
  LK_ASSIGN(s.x, Buffer<float>::allocate(n * c.n_embd, "activations"));
  LK_ASSIGN(s.normed, Buffer<float>::allocate(n * c.n_embd, "activations"));
  LK_ASSIGN(s.qkv, Buffer<float>::allocate(n * n_qkv, "activations"));
  LK_ASSIGN(s.attended, Buffer<float>::allocate(n * n_q, "activations"));
  LK_ASSIGN(s.gate_up, Buffer<float>::allocate(n * apart(int64_t{2} * c.n_ff), "activations"));
  LK_ASSIGN(s.ffn, Buffer<float>::allocate(n * apart(c.n_ff), "activations"));
  const int64_t widest = std::max<int64_t>({c.n_embd, c.n_ff, n_q});
  LK_ASSIGN(s.activations, ActivationScratch::allocate(n, widest));
  return s;
}

Status Decoder::check_tokens(std::span<const int32_t> tokens) const {
  const int n_vocab = config_.n_vocab;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < n_vocab) continue;
    return make_error(
        ErrorCode::kInvalidArgument, "token " + std::to_string(i),
        "expected an id below " + std::to_string(n_vocab) + ", found " + std::to_string(tokens[i]));
  }
  return {};
}

Result<Decoder::Step> Decoder::begin(const Context& context, RopeTable& rope,
                                     BlockScratch& scratch) const {
  scratch.positions.clear();
  int64_t end = 0;
  for (const SequenceRows& sequence : scratch.sequences) {
    const int64_t first = sequence.cache->n_tokens(), n = sequence.rows.size();
    if (sequence.cache->overflows(int(n))) {
      LK_RETURN_IF_ERROR(sequence.cache->code_all(context, rope));
    }
    LK_RETURN_IF_ERROR(sequence.cache->begin_block(int(n), context.team));
    for (int64_t i = 0; i < n; ++i) scratch.positions.push_back(first + i);
    end = std::max(end, first + n);
  }
  rope.reserve(end);
  const int64_t n = int64_t(scratch.positions.size());
  const int64_t n_q = config_.n_q(), n_kv = config_.n_kv(), width = n_q + 2 * n_kv;
  const int64_t n_ff = config_.n_ff;
  float* qkv = scratch.qkv.data();
  return Step{context,
              rope,
              scratch,
              nullptr,
              scratch.positions,
              scratch.activations.rows(),
              matrix(scratch.x.data(), n, config_.n_embd),
              matrix(scratch.normed.data(), n, config_.n_embd),
              {qkv, n, n_q, width},
              {qkv + n_q, n, n_kv, width},
              {qkv + n_q + n_kv, n, n_kv, width},
              matrix(scratch.attended.data(), n, n_q),
              {scratch.gate_up.data(), n, 2 * n_ff, apart(2 * n_ff)},
              {scratch.ffn.data(), n, n_ff, apart(n_ff)}};
}

MatrixView<const float> Decoder::finish(int first_layer, Step& step) const {
  for (int l = first_layer; l < config_.n_layers; ++l) layer(l, step);
  for (const SequenceRows& sequence : step.scratch.sequences) sequence.cache->commit();
  for (int64_t i = 0; i < step.x.rows; ++i) {
    step.context.kernels->rms_norm(step.x.row(i), weights_.output_norm.data(), config_.n_embd,
                                   config_.norm_eps, step.normed.row(i));
  }
  return matrix<const float>(step.normed.data, step.x.rows, config_.n_embd);
}

Result<MatrixView<const float>> Decoder::forward(const Context& context,
                                                 std::span<const Entry> entries, RopeTable& rope,
                                                 BlockScratch& scratch,
                                                 const LayerObserver* observer) const {
  scratch.sequences.clear();
  int64_t n = 0, n_wanted = 0;
  for (const Entry& entry : entries) {
    const auto n_own = int64_t(entry.tokens.size()), n_out = entry.last_only ? 1 : n_own;
    scratch.sequences.push_back({entry.cache, {n, n + n_own}, {n_wanted, n_wanted + n_out}});
    n += n_own;
    n_wanted += n_out;
  }
  if (n > scratch.n_batch) {
    return make_error(ErrorCode::kInvalidArgument, "block",
                      "expected at most " + std::to_string(scratch.n_batch) + " tokens, found " +
                          std::to_string(n));
  }
  LK_ASSIGN(Step step, begin(context, rope, scratch));
  step.observer = observer;
  const int64_t n_raw = n * (step.q.cols + step.k.cols);
  if (observer && scratch.raw.size() < n_raw) {
    LK_ASSIGN(scratch.raw, Buffer<float>::allocate(n_raw, "observed activations"));
  }
  for (size_t i = 0; i < entries.size(); ++i) embed(entries[i], scratch.sequences[i].rows, step);
  return finish(0, step);
}

Result<MatrixView<const float>> Decoder::resume(const Context& context, int first_layer,
                                                MatrixView<const float> x, KvCache& cache,
                                                RopeTable& rope, BlockScratch& scratch) const {
  scratch.sequences.assign(1, {&cache, {0, x.rows}, {0, x.rows}});
  LK_ASSIGN(Step step, begin(context, rope, scratch));
  for (int64_t i = 0; i < x.rows; ++i) std::copy_n(x.row(i), x.cols, step.x.row(i));
  return finish(first_layer, step);
}

void Decoder::embed(const Entry& entry, Range rows, Step& step) const {
  for (int64_t i = 0; i < rows.size(); ++i) {
    weights_.embedding.row(entry.tokens[size_t(i)], step.x.row(rows.begin + i));
  }
}

void Decoder::logits(const Context& context, MatrixView<const float> hidden, BlockScratch& scratch,
                     float* out) const {
  weights_.head().apply(context, hidden, scratch.activations.rows(), {out, config_.n_vocab, false});
}

void Decoder::best_logits(const Context& context, MatrixView<const float> hidden, int64_t k,
                          BlockScratch& scratch, std::span<std::vector<Candidate>> out) const {
  engine::best_logits(context, weights_, {hidden, scratch.activations.rows()}, k, scratch.best,
                      out);
}

}  // namespace lowkey::engine
