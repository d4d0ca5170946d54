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
  if (side.d != d || side.mean.size() != size_t(d)) {
    return bad("expected a mean of size " + std::to_string(d) + ", found " +
               std::to_string(side.mean.size()));
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
  if (!code.matrices || !code.matrices->fits(code.n_layers, code.n_kv_heads, code.head_dim)) {
    return make_error(ErrorCode::kInvalidData, "latent code",
                      "expected matrices of " + std::to_string(code.head_dim) + " x " +
                          std::to_string(code.head_dim) + " for every layer and KV head, found " +
                          (code.matrices ? "others" : "none"));
  }
  for (size_t i = 0; i < n; ++i) {
    LK_RETURN_IF_ERROR(check_side(code.k[i], code.head_dim, place("K", code, i)));
    LK_RETURN_IF_ERROR(check_side(code.v[i], code.head_dim, place("V", code, i)));
  }
  return {};
}

}  // namespace lowkey::engine
