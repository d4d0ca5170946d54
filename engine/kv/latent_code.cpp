#include "engine/kv/latent_code.h"

#include <algorithm>
#include <string>

namespace lowkey::engine {

namespace {

std::string place(const char* side, const LatentCode& code, size_t i) {
  return std::string("latent code, layer ") + std::to_string(int(i) / code.n_kv_heads) + ", head " +
         std::to_string(int(i) % code.n_kv_heads) + ", " + side;
}

Status check_side(const LatentSideCode& side, int d, const std::string& where) {
  const auto bad = [&](const std::string& what) {
    return make_error(ErrorCode::kInvalidData, where, what);
  };
  const size_t square = size_t(d) * size_t(d);
  if (side.d != d || side.encoder_t.size() != square || side.decoder.size() != square ||
      side.decoder_t.size() != square || side.mean.size() != size_t(d)) {
    return bad("expected bases of " + std::to_string(d) + " x " + std::to_string(d) +
               ", found other sizes");
  }
  if (side.steps.size() > size_t(d) || side.widths.size() != size_t(side.plan().n_groups())) {
    return bad("expected one width per group of stored coordinates, found " +
               std::to_string(side.widths.size()) + " for " + std::to_string(side.steps.size()));
  }
  for (const uint8_t width : side.widths) {
    if (width < 1 || width > 8)
      return bad("expected widths of 1 to 8, found " + std::to_string(width));
  }
  for (const float step : side.steps) {
    if (!(step > 0.0f)) return bad("expected positive steps, found " + std::to_string(step));
  }
  return {};
}

class LatentSpace : public KvSpace {
 public:
  explicit LatentSpace(std::shared_ptr<const LatentCode> code) : code_(std::move(code)) {}

  void keys(const Context& c, int layer, MatrixView<float> k) const override {
    map(c, k, 1, [&](int head) { return encoder(code_->k[code_->index(layer, head)]); });
  }
  void values(const Context& c, int layer, MatrixView<float> v) const override {
    map(c, v, 1, [&](int head) { return encoder(code_->v[code_->index(layer, head)]); });
  }
  void queries(const Context& c, int layer, MatrixView<float> q) const override {
    map(c, q, group(q),
        [&](int head) { return through(code_->k[code_->index(layer, head)].decoder); });
  }
  void outputs(const Context& c, int layer, MatrixView<float> o) const override {
    const int n = group(o), d = code_->head_dim;
    map(c, o, n, [&](int head) { return through(code_->v[code_->index(layer, head)].decoder_t); });
    c.team->parallel_for(o.rows, 16, [&](Range rows, int) {
      for (int64_t i = rows.begin; i < rows.end; ++i) {
        for (int h = 0; h < code_->n_kv_heads * n; ++h) {
          c.kernels->add(o.row(i) + h * d, code_->v[code_->index(layer, h / n)].mean.data(), d);
        }
      }
    });
  }

 private:
  int group(MatrixView<float> x) const {
    return int(x.cols) / (code_->n_kv_heads * code_->head_dim);
  }
  static simd::LatentEncoder encoder(const LatentSideCode& side) {
    return {side.d, side.d, side.d, side.encoder_t.data(), side.mean.data()};
  }
  simd::LatentEncoder through(const std::vector<float>& matrix) const {
    return {code_->head_dim, code_->head_dim, code_->head_dim, matrix.data(), nullptr};
  }

  /// x_h = M_(h / group) x_h for every head of every row.
  template <class MatrixOf>
  void map(const Context& context, MatrixView<float> x, int group, MatrixOf matrix_of) const {
    constexpr int64_t kRows = 32;
    const int d = code_->head_dim, n_heads = code_->n_kv_heads * group;
    context.team->parallel_for(ceil_div(x.rows, kRows) * n_heads, 1, [&](Range pieces, int) {
      thread_local std::vector<float> mapped;
      mapped.resize(size_t(kRows * d));
      for (int64_t p = pieces.begin; p < pieces.end; ++p) {
        const int head = int(p % n_heads);
        const int64_t first = p / n_heads * kRows, n = std::min(kRows, x.rows - first);
        float* at = x.row(first) + head * d;
        context.kernels->latent_project(matrix_of(head / group), {at, n, d, x.stride},
                                        matrix(mapped.data(), n, d));
        for (int64_t i = 0; i < n; ++i) {
          std::copy_n(mapped.data() + i * d, d, at + i * x.stride);
        }
      }
    });
  }

  std::shared_ptr<const LatentCode> code_;
};

}  // namespace

std::vector<TileShape> LatentCode::shapes(int layer) const {
  std::vector<TileShape> shapes;
  for (int h = 0; h < n_kv_heads; ++h) {
    const size_t i = index(layer, h);
    shapes.push_back({simd::latent_part_bytes(k[i].plan()), simd::latent_part_bytes(v[i].plan())});
  }
  return shapes;
}

Status check_latent_code(const LatentCode& code, const models::ModelConfig& config) {
  const size_t n = size_t(config.n_layers) * size_t(config.n_kv_heads);
  if (code.n_layers != config.n_layers || code.n_kv_heads != config.n_kv_heads ||
      code.head_dim != config.head_dim || code.k.size() != n || code.v.size() != n) {
    return make_error(ErrorCode::kInvalidData, "latent code",
                      "expected " + std::to_string(config.n_layers) + " layers of " +
                          std::to_string(config.n_kv_heads) + " KV heads of size " +
                          std::to_string(config.head_dim) + ", found other dimensions");
  }
  for (size_t i = 0; i < n; ++i) {
    LK_RETURN_IF_ERROR(check_side(code.k[i], code.head_dim, place("K", code, i)));
    LK_RETURN_IF_ERROR(check_side(code.v[i], code.head_dim, place("V", code, i)));
  }
  return {};
}

std::unique_ptr<KvSpace> latent_space(std::shared_ptr<const LatentCode> code) {
  return std::make_unique<LatentSpace>(std::move(code));
}

}  // namespace lowkey::engine
