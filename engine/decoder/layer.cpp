// The decoder layer, as the papers write it:
//   x += W_O attend(rope(W_Q h), rope(W_K h), W_V h),  h = norm(x)
//   x += W_down (silu(W_gate h) * W_up h),             h = norm(x)
#include <algorithm>
#include <cstring>

#include "engine/decoder/step.h"
#include "engine/kv/parts.h"

namespace lowkey::engine {

namespace {

constexpr int64_t kRowGrain = 4;  // tokens that one thread takes at a time

MatrixView<const float> read(const MatrixView<float>& m) {
  return {m.data, m.rows, m.cols, m.stride};
}

void norm_rows(const Context& context, MatrixView<const float> x, const std::vector<float>& weight,
               float eps, MatrixView<float> out) {
  context.team->parallel_for(x.rows, kRowGrain, [&](Range rows, int) {
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      context.kernels->rms_norm(x.row(i), weight.data(), x.cols, eps, out.row(i));
    }
  });
}

}  // namespace

void Decoder::layer(int index, Step& step) const {
  by_rows(index, step, [&](Step& rows) { project(index, rows); });
  attend_all(index, step);
  if (is_last(index)) drop_unwanted(step);
  by_rows(index, step, [&](Step& rows) {
    output(index, rows);
    feed_forward(index, rows);
  });
}

/// Queries, keys and values.
void Decoder::project(int index, Step& s) const {
  const LayerWeights& w = weights_.layers[size_t(index)];
  norm_rows(s.context, read(s.x), w.attn_norm, config_.norm_eps, s.normed);
  w.o.expect(s.context);
  w.qkv.apply(s.context, read(s.normed), s.copies, {s.q.data, s.q.stride, false});
  prepare_heads(index, s);
}

void Decoder::output(int index, Step& s) const {
  const LayerWeights& w = weights_.layers[size_t(index)];
  w.gate_up.expect(s.context);
  w.o.apply(s.context, read(s.attended), s.copies, {s.x.data, s.x.stride, true});
}

/// The rows of every sequence enter its cache and see everything in it, in the last layer those
/// whose outcome is wanted.
void Decoder::attend_all(int index, Step& s) const {
  const std::vector<SequenceRows>& sequences = s.scratch.sequences;
  std::vector<AttendBlock>& blocks = s.scratch.attend.blocks;
  blocks.clear();
  const bool last = is_last(index);
  for (const SequenceRows& sequence : sequences) {
    blocks.push_back({sequence.cache,
                      &s.rope,
                      index,
                      rows_of(s.q, last ? sequence.wanted_rows() : sequence.rows),
                      rows_of(s.attended, last ? sequence.wanted : sequence.rows),
                      {rows_of(s.k, sequence.rows), rows_of(s.v, sequence.rows)}});
  }
  const AttendShape shape{config_.n_heads, config_.n_kv_heads, config_.head_dim};
  const bool few = s.x.rows <= simd::kTileTokens;  // more are bound by their products
  attend(s.context, shape, blocks, s.scratch.attend,
         few ? weights_.layers[size_t(index)].gate_up.panels() : std::span<const std::byte>());
  for (const SequenceRows& sequence : sequences) {
    sequence.cache->retain_recent(s.context, index, rows_of(s.k, sequence.rows),
                                  rows_of(s.v, sequence.rows));
  }
}

void Decoder::drop_unwanted(Step& s) const {
  int64_t n = 0;
  for (const SequenceRows& sequence : s.scratch.sequences) {
    const int64_t first = sequence.wanted_rows().begin;
    for (int64_t i = 0; i < sequence.wanted.size() && first > n; ++i) {
      std::copy_n(s.x.row(first + i), s.x.cols, s.x.row(n + i));
    }
    n = sequence.wanted.end;
  }
  for (MatrixView<float>* m : {&s.x, &s.normed, &s.attended, &s.gate_up, &s.hidden}) m->rows = n;
}

/// Biases, per-head norms and RoPE on q and k, in place.
void Decoder::prepare_heads(int index, Step& s) const {
  const LayerWeights& w = weights_.layers[size_t(index)];
  const simd::KernelSet& kernels = *s.context.kernels;
  const int64_t d = config_.head_dim;
  MatrixView<float> raw_q = s.q, raw_k = s.k;
  if (s.observer) {
    raw_q = {s.scratch.raw.data(), s.q.rows, s.q.cols, s.q.cols + s.k.cols};
    raw_k = {raw_q.data + s.q.cols, s.k.rows, s.k.cols, raw_q.stride};
  }
  s.context.team->parallel_for(s.q.rows, kRowGrain, [&](Range rows, int) {
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      float *q = s.q.row(i), *k = s.k.row(i);
      if (!w.qkv_bias.empty()) {
        kernels.axpby(1, w.qkv_bias.data(), 1, q, int64_t(w.qkv_bias.size()));
      }
      for (int h = 0; h < config_.n_heads && !w.q_norm.empty(); ++h) {
        kernels.rms_norm(q + h * d, w.q_norm.data(), d, config_.norm_eps, q + h * d);
      }
      for (int h = 0; h < config_.n_kv_heads && !w.k_norm.empty(); ++h) {
        kernels.rms_norm(k + h * d, w.k_norm.data(), d, config_.norm_eps, k + h * d);
      }
      if (s.observer) {
        std::memcpy(raw_q.row(i), q, size_t(s.q.cols) * sizeof(float));
        std::memcpy(raw_k.row(i), k, size_t(s.k.cols) * sizeof(float));
      }
      const float* turn = s.rope.row(s.positions[size_t(i)]);
      kernels.rope(q, config_.n_heads, d, turn, config_.rope.n_rot, config_.rope.neighbours);
      kernels.rope(k, config_.n_kv_heads, d, turn, config_.rope.n_rot, config_.rope.neighbours);
    }
  });
  if (s.observer) {
    (*s.observer)({index, s.positions.front(), read(s.x), read(s.normed), read(raw_q), read(raw_k),
                   read(s.v), read(s.q), read(s.k)});
  }
}

/// What meets n hidden states when layer `index` is done, as far as can be known here.
const Linear& Decoder::after(int index, int64_t n) const {
  if (!is_last(index)) return weights_.layers[size_t(index) + 1].qkv;
  return is_screened(weights_, n, 1) ? weights_.screen.coarse() : weights_.head();
}

void Decoder::feed_forward(int index, Step& s) const {
  const LayerWeights& w = weights_.layers[size_t(index)];
  const int64_t n_ff = config_.n_ff;
  norm_rows(s.context, read(s.x), w.ffn_norm, config_.norm_eps, s.normed);
  w.down.expect(s.context);
  w.gate_up.apply(s.context, read(s.normed), s.copies, {s.gate_up.data, s.gate_up.stride, false});
  s.context.team->parallel_for(s.x.rows, kRowGrain, [&](Range rows, int) {
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      const float* gate = s.gate_up.row(i);
      s.context.kernels->swiglu(gate, gate + n_ff, n_ff, s.hidden.row(i));
    }
  });
  after(index, s.x.rows).expect(s.context);
  w.down.apply(s.context, read(s.hidden), s.copies, {s.x.data, s.x.stride, true});
}

}  // namespace lowkey::engine
