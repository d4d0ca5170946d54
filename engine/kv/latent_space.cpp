#include "engine/kv/latent_space.h"

#include <algorithm>

namespace lowkey::engine {

namespace {

// Below so many multiply-adds a fork and join of the threads costs more than it saves.
constexpr int64_t kSerialProducts = 65536;

int group_of(const LatentCode& code, MatrixView<const float> x) {
  return int(x.cols) / (code.n_kv_heads * code.head_dim);
}

simd::LatentEncoder through(const std::vector<float>& matrix, int d) {
  return {d, d, d, matrix.data(), nullptr};
}

/// x_h = M_(h / group) x_h for every head of every row; matrix_of(kv_head) -> LatentEncoder. Heads
/// of a group lie side by side: one row, they pass through their matrix together.
template <class MatrixOf>
void map_heads(const Context& context, const LatentCode& code, MatrixView<float> x,
               MatrixOf matrix_of) {
  constexpr int64_t kRows = 32;
  const MatrixView<const float> rows{x.data, x.rows, x.cols, x.stride};
  const int d = code.head_dim, group = group_of(code, rows);
  const bool together = x.rows == 1;
  const int n_pieces = code.n_kv_heads * (together ? 1 : group);
  const int64_t products = std::min(kRows, x.rows) * d * d * (together ? group : 1);
  const int64_t grain = std::max<int64_t>(1, kSerialProducts / products);
  context.team->parallel_for(ceil_div(x.rows, kRows) * n_pieces, grain, [&](Range pieces, int) {
    thread_local std::vector<float> mapped;
    mapped.resize(size_t(std::max<int64_t>(kRows, group) * d));
    for (int64_t p = pieces.begin; p < pieces.end; ++p) {
      const int piece = int(p % n_pieces);
      const int64_t first = p / n_pieces * kRows;
      const int64_t n = together ? group : std::min(kRows, x.rows - first);
      const int64_t stride = together ? d : x.stride;
      float* at = x.row(first) + piece * (together ? group * d : d);
      context.kernels->latent_project(matrix_of(together ? piece : piece / group),
                                      {at, n, d, stride}, matrix(mapped.data(), n, d));
      for (int64_t i = 0; i < n; ++i) std::copy_n(mapped.data() + i * d, d, at + i * stride);
    }
  });
}

}  // namespace

LatentSpace::LatentSpace(std::shared_ptr<const LatentCode> code, const models::RopeConfig& rope)
    : code_(std::move(code)), n_rot_(rope.n_rot), neighbours_(rope.neighbours) {}

void LatentSpace::keys(const Context& context, int layer, MatrixView<float> k) const {
  map_heads(context, *code_, k, [&](int head) {
    const LatentSideCode& side = code_->k[code_->index(layer, head)];
    simd::LatentEncoder encoder = through(side.encoder_t, side.d);
    if (!mean_turns()) encoder.mean = side.mean.data();
    return encoder;
  });
}

void LatentSpace::values(const Context& context, int layer, MatrixView<float> v) const {
  map_heads(context, *code_, v, [&](int head) {
    const LatentSideCode& side = code_->v[code_->index(layer, head)];
    simd::LatentEncoder encoder = through(side.encoder_t, side.d);
    encoder.mean = side.mean.data();
    return encoder;
  });
}

void LatentSpace::queries(const Context& context, int layer, MatrixView<float> q) const {
  map_heads(context, *code_, q, [&](int head) {
    return through(code_->k[code_->index(layer, head)].decoder, code_->head_dim);
  });
}

void LatentSpace::outputs(const Context& context, int layer, MatrixView<float> o) const {
  map_heads(context, *code_, o, [&](int head) {
    return through(code_->v[code_->index(layer, head)].decoder_t, code_->head_dim);
  });
  const int d = code_->head_dim, group = group_of(*code_, {o.data, o.rows, o.cols, o.stride});
  context.team->parallel_for(o.rows, 16, [&](Range rows, int) {
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      for (int h = 0; h < code_->n_kv_heads * group; ++h) {
        const LatentSideCode& side = code_->v[code_->index(layer, h / group)];
        context.kernels->add(o.row(i) + h * d, side.mean.data(), d);
      }
    }
  });
}

void LatentSpace::leave_mean(const Context& context, int layer, MatrixView<const float> phases,
                             MatrixView<float> z) const {
  const int d = code_->head_dim;
  context.team->parallel_for(z.rows, 16, [&](Range rows, int) {
    thread_local std::vector<float> turned;
    turned.resize(size_t(rows.size() * d));
    const auto shift = matrix(turned.data(), rows.size(), d);
    for (int h = 0; h < code_->n_kv_heads; ++h) {
      const std::vector<float>& table = code_->k[code_->index(layer, h)].turned;
      const float* still = table.data() + n_rot_ * d;
      context.kernels->latent_project(
          {n_rot_, d, d, table.data(), nullptr},
          {phases.row(rows.begin), rows.size(), phases.cols, phases.stride}, shift);
      for (int64_t i = 0; i < rows.size(); ++i) {
        float* row = z.row(rows.begin + i) + h * d;
        for (int c = 0; c < d; ++c) row[c] -= shift.row(i)[c] + still[c];
      }
    }
  });
}

void LatentSpace::mean_weights(int layer, MatrixView<const float> q,
                               MatrixView<float> weights) const {
  const int d = code_->head_dim, half = n_rot_ / 2, group = group_of(*code_, q);
  const int step = neighbours_ ? 2 : 1, apart = neighbours_ ? 1 : half;
  for (int64_t row = 0; row < q.rows; ++row) {
    for (int h = 0; h < code_->n_kv_heads * group; ++h) {
      const float* x = q.row(row) + h * d;
      const float* mean = code_->k[code_->index(layer, h / group)].mean.data();
      float* w = weights.row(row) + h * n_weights();
      for (int i = 0; i < half; ++i) {
        const int a = step * i, b = a + apart;
        w[i] = x[a] * mean[a] + x[b] * mean[b];
        w[half + i] = x[b] * mean[a] - x[a] * mean[b];
      }
      w[n_rot_] = 0.0f;
      for (int c = n_rot_; c < d; ++c) w[n_rot_] += x[c] * mean[c];
    }
  }
}

}  // namespace lowkey::engine
