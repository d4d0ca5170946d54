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
  const int d = file.head_dim;
  LK_ASSIGN(LatentMatrices matrices, LatentMatrices::create(code->n_layers, file.n_kv_heads, d));
  for (const models::LayerBasis& layer : file.layers) {
    for (int h = 0; h < file.n_kv_heads; ++h) {
      const models::HeadBasis &keys = layer.k.heads[size_t(h)], &values = layer.v.heads[size_t(h)];
      const size_t side = code->k.size();
      matrices.set(LatentWay::kKeys, side, transposed(keys.encoder, d));
      matrices.set(LatentWay::kValues, side, transposed(values.encoder, d));
      matrices.set(LatentWay::kQueries, side, keys.decoder);
      matrices.set(LatentWay::kOutputs, side, transposed(values.decoder, d));
      LK_ASSIGN(LatentSideCode k, side_code(keys));
      LK_ASSIGN(LatentSideCode v, side_code(values));
      code->k.push_back(std::move(k));
      code->v.push_back(std::move(v));
    }
  }
  code->matrices = std::make_shared<const LatentMatrices>(std::move(matrices));
  return std::shared_ptr<const LatentCode>(std::move(code));
}

}  // namespace lowkey::engine
