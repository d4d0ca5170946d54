#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "models/basis/layout.h"
#include "models/safetensors/file.h"

namespace lowkey::models {
namespace {

using nlohmann::json;
using safetensors::ElementType;

std::vector<std::pair<std::string, const SideBasis*>> all_sides(const BasisFile& file) {
  std::vector<std::pair<std::string, const SideBasis*>> sides;
  for (size_t l = 0; l < file.layers.size(); ++l) {
    sides.emplace_back(basis::tensor_prefix(l, 'k'), &file.layers[l].k);
    sides.emplace_back(basis::tensor_prefix(l, 'v'), &file.layers[l].v);
  }
  return sides;
}

json header_of(const BasisFile& file) {
  json header = {{"version", kBasisVersion},
                 {"method", file.method},
                 {"space", file.space},
                 {"centring", file.centring},
                 {"joint", file.joint},
                 {"model_sha256", file.model_hash},
                 {"text_sha256", file.text_hash},
                 {"n_tokens", file.n_tokens},
                 {"seed", file.seed},
                 {"bits_per_element", file.bits_per_element},
                 {"n_layers", file.layers.size()},
                 {"n_kv_heads", file.n_kv_heads},
                 {"head_dim", file.head_dim}};
  json& k = header["sensitivity_k"] = json::array();
  json& v = header["sensitivity_v"] = json::array();
  for (const LayerBasis& layer : file.layers) {
    k.push_back(layer.k.sensitivity);
    v.push_back(layer.v.sensitivity);
  }
  if (!file.policy.empty()) header["policy"] = file.policy;
  const ErrorProfile& profile = file.profile;
  if (!profile.levels.empty()) header["profile_levels"] = profile.levels;
  if (!profile.measured_kld.empty()) {
    header.update({{"kld_scale", profile.kld_scale},
                   {"kld_exponent", profile.kld_exponent},
                   {"measured_bits", profile.measured_bits},
                   {"measured_sum", profile.measured_sum},
                   {"measured_kld", profile.measured_kld}});
  }
  return header;
}

template <class T>
void append_bytes(std::string& out, const std::vector<T>& values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

/// A tensor's bytes, to be kept while the views of them are in use.
struct Block {
  std::string name;
  ElementType type;
  std::vector<int64_t> shape;
  std::string bytes;
};

std::vector<Block> blocks_of(const BasisFile& file) {
  std::vector<Block> blocks;
  for (const auto& [prefix, side] : all_sides(file)) {
    const int64_t n = int64_t(side->heads.size()), d = side->heads[0].d();
    for (const basis::FloatField& field : basis::kFloatFields) {
      Block block{prefix + field.name, ElementType::kF32, {n, d}, {}};
      if (field.square) block.shape.push_back(d);
      for (const HeadBasis& head : side->heads) append_bytes(block.bytes, head.*field.values);
      blocks.push_back(std::move(block));
    }
  }
  const auto n_levels = int64_t(file.profile.levels.size());
  for (size_t l = 0; l < file.profile.surfaces.size(); ++l) {
    Block block{basis::profile_tensor(l), ElementType::kF32, {n_levels, n_levels}, {}};
    append_bytes(block.bytes, file.profile.surfaces[l]);
    blocks.push_back(std::move(block));
  }
  for (const auto& [prefix, side] : all_sides(file)) {  // bytes last: floats stay aligned
    Block block{
        prefix + "widths", ElementType::kU8, {int64_t(side->heads.size()), side->heads[0].d()}, {}};
    for (const HeadBasis& head : side->heads) append_bytes(block.bytes, head.widths);
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace

Result<std::string> serialise_basis(const BasisFile& file) {
  LK_RETURN_IF_ERROR(check_basis(file, "basis to write"));
  const std::vector<Block> blocks = blocks_of(file);
  std::vector<safetensors::Tensor> tensors;
  for (const Block& block : blocks) {
    tensors.push_back({block.name, block.type, block.shape,
                       std::as_bytes(std::span(block.bytes.data(), block.bytes.size()))});
  }
  const std::string header = header_of(file).dump(-1, ' ', true, json::error_handler_t::replace);
  LK_ASSIGN(std::string bytes,
            safetensors::serialise({{basis::kHeaderKey, header},
                                    {basis::kHashKey, std::string(basis::kHashDigits, '0')}},
                                   tensors));
  const auto at = basis::find_hash(bytes);
  if (!at)
    return make_error(ErrorCode::kInvalidData, "basis to write",
                      "expected one place for the hash, found another count");
  bytes.replace(*at, basis::kHashDigits, basis::hash_of_file(bytes, *at));
  return bytes;
}

Status write_basis(const std::string& path, const BasisFile& file) {
  LK_ASSIGN(const std::string bytes, serialise_basis(file));
  return write_file_atomically(path, bytes);
}

}  // namespace lowkey::models
