#include "engine/kv/load_basis.h"

#include <string>

#include "engine/decoder/rope_table.h"

namespace lowkey::engine {

namespace {

Error unsupported(const std::string& what) {
  return make_error(ErrorCode::kUnsupported, "basis", what);
}

Result<LatentSideCode> side_code(const models::HeadBasis& head) {
  LatentSideCode code;
  code.d = head.d();
  code.encoder_t = transposed(head.encoder, code.d);
  code.decoder = head.decoder;
  code.decoder_t = transposed(head.decoder, code.d);
  code.mean = head.mean;
  code.variances = head.variances;
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

Status check_dimensions(const models::BasisFile& file, const models::ModelConfig& config) {
  const auto text = [](int layers, int heads, int d) {
    return std::to_string(layers) + " layers of " + std::to_string(heads) + " KV heads of size " +
           std::to_string(d);
  };
  const std::string expected = text(config.n_layers, config.n_kv_heads, config.head_dim);
  const std::string found = text(int(file.layers.size()), file.n_kv_heads, file.head_dim);
  if (expected == found) return {};
  return make_error(ErrorCode::kInvalidData, "basis", "expected " + expected + ", found " + found);
}

}  // namespace

std::vector<float> transposed(const std::vector<float>& m, int d) {
  std::vector<float> t(m.size());
  for (int i = 0; i < d; ++i) {
    for (int j = 0; j < d; ++j) t[size_t(j * d + i)] = m[size_t(i * d + j)];
  }
  return t;
}

Result<std::shared_ptr<const LatentCode>> latent_code(const models::BasisFile& file,
                                                      const models::ModelConfig& config) {
  LK_RETURN_IF_ERROR(check_dimensions(file, config));
  if (file.space != "post-rope") {
    return unsupported("expected keys after RoPE, found space '" + file.space + "'");
  }
  if (file.joint) return unsupported("expected one basis per head, found a joint one");
  auto code = std::make_shared<LatentCode>();
  code->n_layers = int(file.layers.size());
  code->n_kv_heads = file.n_kv_heads;
  code->head_dim = file.head_dim;
  if (file.centring == "rotary") {
    LK_ASSIGN(ChunkTable phases, ChunkTable::create(rope_frequencies(config.rope)));
    code->phases = std::make_shared<const ChunkTable>(std::move(phases));
  }
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
