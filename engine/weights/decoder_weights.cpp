#include "engine/weights/decoder_weights.h"

#include <cstring>
#include <string>

#include "base/half.h"

namespace lowkey::engine {

using models::TensorView;

namespace {

class Packer {
 public:
  Packer(const models::Model& model, Team& team) : model_(model), store_(team) {}

  Result<Linear> linear(std::initializer_list<const TensorView*> parts) {
    const std::vector<const TensorView*> list(parts);
    auto packed = Linear::pack(list, store_);
    for (const TensorView* part : list) {
      for (const FileMap& file : model_.files) release(file, part->bytes);
    }
    return packed;
  }

 private:
  static void release(const FileMap& file, std::span<const std::byte> bytes) {
    const auto all = file.bytes();
    if (bytes.data() >= all.data() && bytes.data() < all.data() + all.size()) file.release(bytes);
  }
  const models::Model& model_;
  WeightStore store_;
};

Status append_bias(const TensorView& tensor, std::vector<float>& bias) {
  LK_ASSIGN(const std::vector<float> values, read_vector(tensor));
  bias.insert(bias.end(), values.begin(), values.end());
  return {};
}

Result<LayerWeights> pack_layer(const models::LayerTensors& from, const models::ModelConfig& config,
                                Packer& packer) {
  LayerWeights layer;
  LK_ASSIGN(layer.attn_norm, read_vector(from.attn_norm));
  LK_ASSIGN(layer.ffn_norm, read_vector(from.ffn_norm));
  if (config.qkv_bias) {
    for (const TensorView* bias : {&from.q_bias, &from.k_bias, &from.v_bias}) {
      LK_RETURN_IF_ERROR(append_bias(*bias, layer.qkv_bias));
    }
  }
  if (config.qk_norm) {
    LK_ASSIGN(layer.q_norm, read_vector(from.q_norm));
    LK_ASSIGN(layer.k_norm, read_vector(from.k_norm));
  }
  LK_ASSIGN(layer.qkv, packer.linear({&from.q, &from.k, &from.v}));
  LK_ASSIGN(layer.o, packer.linear({&from.o}));
  LK_ASSIGN(layer.gate_up, packer.linear({&from.gate, &from.up}));
  LK_ASSIGN(layer.down, packer.linear({&from.down}));
  return layer;
}

}  // namespace

Result<std::vector<float>> read_vector(const TensorView& tensor) {
  std::vector<float> out(size_t(tensor.n_rows * tensor.n_cols));
  const auto half_at = [&](size_t i) {
    uint16_t h;
    std::memcpy(&h, tensor.bytes.data() + 2 * i, 2);
    return h;
  };
  switch (tensor.dtype) {
    case DType::kF32:
      std::memcpy(out.data(), tensor.bytes.data(), out.size() * 4);
      break;
    case DType::kF16:
      for (size_t i = 0; i < out.size(); ++i) out[i] = f16_to_f32(half_at(i));
      break;
    case DType::kBF16:
      for (size_t i = 0; i < out.size(); ++i) out[i] = bf16_to_f32(half_at(i));
      break;
    default:
      return make_error(ErrorCode::kUnsupported, tensor.name,
                        "expected F32, F16 or BF16 for a vector, found " +
                            std::string(dtype_info(tensor.dtype).name));
  }
  return out;
}

Result<DecoderWeights> pack_decoder(const models::Model& model, Team& team,
                                    const std::function<void(int, int)>& progress) {
  Packer packer(model, team);
  DecoderWeights weights;
  const int n_layers = int(model.layers.size());
  for (int l = 0; l < n_layers; ++l) {
    LK_ASSIGN(LayerWeights layer, pack_layer(model.layers[size_t(l)], model.config, packer));
    weights.layers.push_back(std::move(layer));
    if (progress) progress(l + 1, n_layers + 1);
  }
  LK_ASSIGN(weights.output_norm, read_vector(model.output_norm));
  LK_ASSIGN(weights.embedding, packer.linear({&model.token_embd}));
  if (!model.config.tied_output) {
    LK_ASSIGN(weights.output, packer.linear({&model.output}));
  }
  if (progress) progress(n_layers + 1, n_layers + 1);
  return weights;
}

int64_t DecoderWeights::bytes() const {
  int64_t bytes = embedding.bytes() + output.bytes();
  for (const LayerWeights& l : layers) {
    bytes += l.qkv.bytes() + l.o.bytes() + l.gate_up.bytes() + l.down.bytes();
  }
  return bytes;
}

}  // namespace lowkey::engine
