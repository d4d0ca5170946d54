#include "engine/kv/load_basis.h"

#include <string>

namespace lowkey::engine {

namespace {

Error unsupported(const std::string& what) {
  return make_error(ErrorCode::kUnsupported, "basis", what);
}

std::vector<float> transposed(const std::vector<float>& m, int d) {
  std::vector<float> t(m.size());
  for (int i = 0; i < d; ++i) {
    for (int j = 0; j < d; ++j) t[size_t(j * d + i)] = m[size_t(i * d + j)];
  }
  return t;
}

Result<LatentSideCode> side_code(const models::HeadBasis& head) {
  LatentSideCode code;
  code.d = head.d();
  code.encoder_t = transposed(head.encoder, code.d);
  code.decoder = head.decoder;
  code.decoder_t = transposed(head.decoder, code.d);
  code.mean = head.mean;
  for (int i = 0; i < code.d; ++i) {
    const int width = head.widths[size_t(i)];
    if (width == 0) break;
    if (width > 8)
      return unsupported("expected widths of 0 to 8 bits, found " + std::to_string(width));
    if (i % simd::kLatentGroup == 0) code.widths.push_back(uint8_t(width));
    if (width != code.widths.back()) {
      return unsupported("expected one width per group of 4 coordinates, found several");
    }
    code.steps.push_back(head.steps[size_t(i)]);
  }
  return code;
}

}  // namespace

Result<std::shared_ptr<const LatentCode>> latent_code(const models::BasisFile& file) {
  if (file.space != "post-rope") {
    return unsupported("expected keys after RoPE, found space '" + file.space + "'");
  }
  if (file.joint) return unsupported("expected one basis per head, found a joint one");
  if (file.centring == "rotary") {
    return unsupported("expected a constant mean or none, found centring 'rotary'");
  }
  auto code = std::make_shared<LatentCode>();
  code->n_layers = int(file.layers.size());
  code->n_kv_heads = file.n_kv_heads;
  code->head_dim = file.head_dim;
  for (const models::LayerBasis& layer : file.layers) {
    for (int h = 0; h < file.n_kv_heads; ++h) {
      LK_ASSIGN(LatentSideCode k, side_code(layer.k.heads[size_t(h)]));
      LK_ASSIGN(LatentSideCode v, side_code(layer.v.heads[size_t(h)]));
      code->k.push_back(std::move(k));
      code->v.push_back(std::move(v));
    }
  }
  return std::shared_ptr<const LatentCode>(std::move(code));
}

}  // namespace lowkey::engine
