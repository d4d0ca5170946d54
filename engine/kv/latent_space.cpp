#include "engine/kv/latent_space.h"

#include <algorithm>

#include "base/ask.h"
#include "engine/kv/parts.h"

namespace lowkey::engine {

using simd::LatentSide;

namespace {

// Below so many multiply-adds a fork and join of the threads costs more than it saves. The matrices
// come from memory at decode: two threads fetch them faster than one.
constexpr int64_t kSerialProducts = 8192;
constexpr int64_t kRows = 32;  // rows of a head that are one task

MatrixView<const float> read(const MatrixView<float>& m) {
  return {m.data, m.rows, m.cols, m.stride};
}

void copy_rows(MatrixView<const float> from, MatrixView<float> to) {
  for (int64_t i = 0; i < from.rows; ++i) std::copy_n(from.row(i), from.cols, to.row(i));
}

void project_in_place(const Context& context, const simd::LatentEncoder& encoder,
                      MatrixView<float> x) {
  thread_local std::vector<float> projected;
  projected.resize(size_t(x.rows * x.cols));
  const auto out = matrix(projected.data(), x.rows, x.cols);
  context.kernels->latent_project(encoder, read(x), out);
  copy_rows(read(out), x);
}

/// Some rows of one head, or one row's heads of a group.
struct HeadRows {
  int kv_head;
  int head;             // the first
  int64_t first;        // row
  MatrixView<float> x;  // [n, d]

  /// The same of something that has `width` columns per head.
  MatrixView<float> of(const MatrixView<float>& all, int width) const {
    const bool together = all.rows == 1;
    return {all.row(first) + int64_t{head} * width, x.rows, width, together ? width : all.stride};
  }
};

/// Calls visit(HeadRows) for every head of every row. Heads of a group lie side by side: one row,
/// they pass through their matrix together.
template <class Visit>
void for_head_rows(const Context& context, const LatentCode& code, MatrixView<float> x,
                   Visit visit) {
  const int d = code.head_dim, group = int(x.cols) / (code.n_kv_heads * d);
  const bool together = x.rows == 1;
  const int n_pieces = code.n_kv_heads * (together ? 1 : group);
  const int64_t products = std::min(kRows, x.rows) * d * d * (together ? group : 1);
  const int64_t grain = std::max<int64_t>(1, kSerialProducts / products);
  context.team->parallel_for(ceil_div(x.rows, kRows) * n_pieces, grain, [&](Range pieces, int) {
    for (int64_t p = pieces.begin; p < pieces.end; ++p) {
      const int piece = int(p % n_pieces);
      const int64_t first = p / n_pieces * kRows;
      const int head = together ? piece * group : piece;
      const int64_t n = together ? group : std::min(kRows, x.rows - first);
      HeadRows rows{head / group, head, first, {nullptr, n, d, d}};
      rows.x = rows.of(x, d);
      visit(rows);
    }
  });
}

}  // namespace

LatentSpace::LatentSpace(std::shared_ptr<const LatentCode> code, const models::RopeConfig& rope)
    : code_(std::move(code)), n_rot_(rope.n_rot), neighbours_(rope.neighbours) {}

void LatentSpace::enter(const Context& context, int layer, MatrixView<float> k,
                        MatrixView<float> v) const {
  enter(context, layer, {}, {k, v}, {});
}

void LatentSpace::enter(const Context& context, int layer, MatrixView<const float> phases,
                        const Rows& rows, MatrixView<float> shift) const {
  const int n_heads = code_->n_kv_heads, d = code_->head_dim;
  const int64_t n = rows.k.rows, products = std::min(kRows, n) * d * d;
  const int64_t n_pieces = ceil_div(n, kRows) * 2 * n_heads;
  const int64_t grain = std::max<int64_t>(1, kSerialProducts / products);
  context.team->parallel_for(n_pieces, grain, [&](Range pieces, int) {
    for (int64_t p = pieces.begin; p < pieces.end; ++p) {
      // Heads of keys and of values in turns: keys may be twice the work.
      const HeadSide part{int(p / 2 % n_heads), p % 2 == 0 ? LatentSide::kK : LatentSide::kV};
      const int64_t first = p / (2 * n_heads) * kRows;
      const Range own{first, std::min(first + kRows, n)};
      enter_part(context, layer, part, rows_of(phases, own),
                 {rows_of(rows.k, own), rows_of(rows.v, own)}, rows_of(shift, own));
    }
  });
}

void LatentSpace::enter_part(const Context& context, int layer, const HeadSide& part,
                             MatrixView<const float> phases, const Rows& rows,
                             MatrixView<float> shift) const {
  const int d = code_->head_dim;
  const size_t side = code_->index(layer, part.head);
  if (part.side == LatentSide::kV) {
    enter_values(context, side, of_head(rows.v, part.head, d));
  } else if (shift.rows == 0) {
    enter_keys(context, side, of_head(rows.k, part.head, d));
  } else {
    enter_keys(context, side, phases, of_head(rows.k, part.head, d), of_head(shift, part.head, d));
  }
}

void LatentSpace::enter_keys(const Context& context, size_t side, MatrixView<float> k) const {
  const float* mean = mean_turns() ? nullptr : code_->k[side].mean.data();
  project_in_place(context, code_->matrices->of(LatentWay::kKeys, side, mean), k);
}

void LatentSpace::enter_values(const Context& context, size_t side, MatrixView<float> v) const {
  const float* mean = code_->v[side].mean.data();
  project_in_place(context, code_->matrices->of(LatentWay::kValues, side, mean), v);
}

/// Keys and their means through one reading of E.
void LatentSpace::enter_keys(const Context& context, size_t side, MatrixView<const float> phases,
                             MatrixView<float> k, MatrixView<float> shift) const {
  thread_local std::vector<float> both;
  const int64_t n = k.rows, d = k.cols;
  both.resize(size_t(2 * n * d));
  const auto keys = matrix(both.data(), n, d), means = matrix(both.data() + n * d, n, d);
  copy_rows(read(k), keys);
  turned_means(context, side, phases, means);
  project_in_place(context, code_->matrices->of(LatentWay::kKeys, side),
                   matrix(both.data(), 2 * n, d));
  copy_rows(read(keys), k);
  copy_rows(read(means), shift);
}

void LatentSpace::turned_means(const Context& context, size_t side, MatrixView<const float> phases,
                               MatrixView<float> out) const {
  const int d = code_->head_dim;
  for (int64_t i = 0; i < out.rows; ++i) {
    std::copy_n(code_->k[side].mean.data(), d, out.row(i));
    context.kernels->rope(out.row(i), 1, d, phases.row(i), n_rot_, neighbours_);
  }
}

void LatentSpace::shift(const Context& context, int layer, MatrixView<const float> phases,
                        MatrixView<float> out) const {
  const int d = code_->head_dim;
  context.team->parallel_for(out.rows, 16, [&](Range rows, int) {
    for (int h = 0; h < code_->n_kv_heads; ++h) {
      const size_t side = code_->index(layer, h);
      const MatrixView<float> own = of_head(rows_of(out, rows), h, d);
      turned_means(context, side, rows_of(phases, rows), own);
      project_in_place(context, code_->matrices->of(LatentWay::kKeys, side), own);
    }
  });
}

void LatentSpace::queries(const Context& context, int layer, MatrixView<float> q) const {
  queries(context, layer, q, {});
}

void LatentSpace::queries(const Context& context, int layer, MatrixView<float> q,
                          MatrixView<float> weights) const {
  for_head_rows(context, *code_, q, [&](const HeadRows& own) {
    const bool turns = weights.rows > 0;
    query_head(context, layer, own.kv_head, own.x, turns ? own.of(weights, n_weights()) : weights);
  });
}

void LatentSpace::query_head(const Context& context, int layer, int head, MatrixView<float> q,
                             MatrixView<float> weights) const {
  const size_t side = code_->index(layer, head);
  if (weights.rows > 0) mean_weights(side, q, weights);
  project_in_place(context, code_->matrices->of(LatentWay::kQueries, side), q);
}

void LatentSpace::outputs(const Context& context, int layer, MatrixView<float> o) const {
  for_head_rows(context, *code_, o,
                [&](const HeadRows& own) { output_head(context, layer, own.kv_head, own.x); });
}

void LatentSpace::output_head(const Context& context, int layer, int head,
                              MatrixView<float> o) const {
  const size_t side = code_->index(layer, head);
  project_in_place(context, code_->matrices->of(LatentWay::kOutputs, side), o);
  const std::vector<float>& mean = code_->v[side].mean;
  for (int64_t i = 0; i < o.rows; ++i) context.kernels->axpby(1, mean.data(), 1, o.row(i), o.cols);
}

void LatentSpace::ask_outputs(int layer, int head) const {
  const simd::LatentEncoder m = code_->matrices->of(LatentWay::kOutputs, code_->index(layer, head));
  ask_for(std::as_bytes(std::span(m.matrix, size_t(m.d_in * m.stride))));
}

namespace {

/// The two coordinates of pairs that turn together, of all pairs.
struct Pairs {
  const float* a;
  const float* b;
};

/// Weights w [2 n] of cosine and sine of n pairs, kStep apart, in the product of a query x with a
/// turned mean. No restrict, no vectors.
template <int kStep>
void turn_weights(Pairs x, Pairs mean, float* __restrict w, int n) {
  for (int i = 0; i < n; ++i) {
    const float xa = x.a[kStep * i], xb = x.b[kStep * i];
    const float ma = mean.a[kStep * i], mb = mean.b[kStep * i];
    w[i] = xa * ma + xb * mb;
    w[n + i] = xb * ma - xa * mb;
  }
}

}  // namespace

void LatentSpace::mean_weights(size_t side, MatrixView<float> q, MatrixView<float> weights) const {
  const int d = code_->head_dim, half = n_rot_ / 2;
  const float* mean = code_->k[side].mean.data();
  for (int64_t row = 0; row < q.rows; ++row) {
    const float* x = q.row(row);
    float* w = weights.row(row);
    if (neighbours_) {
      turn_weights<2>({x, x + 1}, {mean, mean + 1}, w, half);
    } else {
      turn_weights<1>({x, x + half}, {mean, mean + half}, w, half);
    }
    w[n_rot_] = 0.0f;
    for (int c = n_rot_; c < d; ++c) w[n_rot_] += x[c] * mean[c];
  }
}

}  // namespace lowkey::engine
