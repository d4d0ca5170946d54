#include <cstring>
#include <nlohmann/json.hpp>
#include <span>

#include "models/basis/layout.h"
#include "models/json.h"
#include "models/safetensors/file.h"

namespace lowkey::models {
namespace {

using nlohmann::json;
using safetensors::ElementType;

constexpr size_t kMaxLayers = 4096;

Error damaged(const std::string& where, std::string what) {
  return make_error(ErrorCode::kInvalidData, where, std::move(what));
}

Status check_hash(std::string_view bytes, const std::string& name) {
  const auto at = basis::find_hash(bytes);
  if (!at) return damaged(name, "expected a basis file with its hash in the header, found none");
  const std::string_view stored = bytes.substr(*at, basis::kHashDigits);
  const std::string found = basis::hash_of_file(bytes, *at);
  if (stored == found) return {};
  return damaged(name, "expected contents of SHA-256 " + found.substr(0, 12) +
                           ", found another hash in its header: the file is damaged");
}

/// Fields of the JSON header, typed; `failed` keeps the first that does not fit.
class HeaderReader {
 public:
  explicit HeaderReader(const json& header) : header_(header) {}

  template <class T>
  void read(const char* key, T& out) {
    const auto it = header_.find(key);
    if (it == header_.end() || !fits(*it, out)) {
      if (failed.empty()) failed = key;
      return;
    }
    out = it->template get<T>();
  }

  /// As read, but the field may be absent.
  template <class T>
  void read_optional(const char* key, T& out) {
    if (header_.contains(key)) read(key, out);
  }

  std::string failed;

 private:
  static bool fits(const json& value, const std::string&) { return value.is_string(); }
  static bool fits(const json& value, bool) { return value.is_boolean(); }
  static bool fits(const json& value, double) { return value.is_number(); }
  static bool fits(const json& value, uint64_t) { return value.is_number_unsigned(); }
  static bool fits(const json& value, int64_t) {
    return value.is_number_unsigned() && value.get<uint64_t>() <= uint64_t{1} << 53;
  }
  static bool fits(const json& value, int) {
    return value.is_number_unsigned() && value.get<uint64_t>() <= uint64_t{1} << 30;
  }
  static bool fits(const json& value, const std::vector<double>&) {
    if (!value.is_array() || value.size() > kMaxLayers) return false;
    for (const json& entry : value) {
      if (!entry.is_number()) return false;
    }
    return true;
  }

  const json& header_;
};

/// Fields that files of the first calibrations lack.
void read_profile(HeaderReader& in, BasisFile& file) {
  ErrorProfile& profile = file.profile;
  in.read_optional("policy", file.policy);
  in.read_optional("profile_levels", profile.levels);
  in.read_optional("kld_scale", profile.kld_scale);
  in.read_optional("kld_exponent", profile.kld_exponent);
  in.read_optional("measured_bits", profile.measured_bits);
  in.read_optional("measured_sum", profile.measured_sum);
  in.read_optional("measured_kld", profile.measured_kld);
}

Result<BasisFile> read_header(const json& header, const std::string& name) {
  HeaderReader in(header);
  int version = 0, n_layers = 0;
  in.read("version", version);
  if (!in.failed.empty() || version != kBasisVersion) {
    return make_error(ErrorCode::kUnsupported, name,
                      "expected a basis file of version " + std::to_string(kBasisVersion) +
                          ", found " + std::to_string(version));
  }
  BasisFile file;
  std::vector<double> k, v;
  in.read("method", file.method);
  in.read("space", file.space);
  in.read("centring", file.centring);
  in.read("joint", file.joint);
  in.read("model_sha256", file.model_hash);
  in.read("text_sha256", file.text_hash);
  in.read("n_tokens", file.n_tokens);
  in.read("seed", file.seed);
  in.read("bits_per_element", file.bits_per_element);
  in.read("n_layers", n_layers);
  in.read("n_kv_heads", file.n_kv_heads);
  in.read("head_dim", file.head_dim);
  in.read("sensitivity_k", k);
  in.read("sensitivity_v", v);
  read_profile(in, file);
  if (!in.failed.empty()) {
    return damaged(name, "expected a value of the right kind for '" + in.failed + "'");
  }
  if (k.size() != size_t(n_layers) || v.size() != k.size()) {
    return damaged(name, "expected sensitivities of " + std::to_string(n_layers) +
                             " layers, found " + std::to_string(k.size()) + " and " +
                             std::to_string(v.size()));
  }
  for (size_t l = 0; l < k.size(); ++l) file.layers.push_back({{k[l], {}}, {v[l], {}}});
  return file;
}

/// The tensor of this name, of exactly this type and shape.
Result<const safetensors::Tensor*> find_tensor(const safetensors::Directory& directory,
                                               const std::string& tensor, ElementType type,
                                               const std::vector<int64_t>& shape) {
  const auto text = [](const std::vector<int64_t>& dims) {
    std::string out;
    for (int64_t n : dims) out += (out.empty() ? "" : " x ") + std::to_string(n);
    return "[" + out + "]";
  };
  const std::string expected = std::string(safetensors::element_name(type)) + " " + text(shape);
  const safetensors::Tensor* found = directory.find(tensor);
  if (!found) return damaged("tensor '" + tensor + "'", "expected " + expected + ", found none");
  if (found->type == type && found->shape == shape) return found;
  return damaged("tensor '" + tensor + "'", "expected " + expected + ", found " +
                                                std::string(element_name(found->type)) + " " +
                                                text(found->shape));
}

/// Cuts a tensor [n_heads, ...] into one vector per head.
template <class T>
void split_heads(const safetensors::Tensor& tensor, SideBasis& side,
                 std::vector<T> HeadBasis::*field) {
  const size_t n_bytes = tensor.bytes.size() / side.heads.size();
  for (size_t h = 0; h < side.heads.size(); ++h) {
    auto& values = side.heads[h].*field;
    values.resize(n_bytes / sizeof(T));
    std::memcpy(values.data(), tensor.bytes.data() + h * n_bytes, n_bytes);
  }
}

Status read_side(const safetensors::Directory& directory, const std::string& prefix, int64_t n,
                 int64_t d, SideBasis& side) {
  // The first tensor proves the sizes before anything is allocated for them.
  LK_RETURN_IF_ERROR(find_tensor(directory, prefix + "encoder", ElementType::kF32, {n, d, d}));
  side.heads.resize(size_t(n));
  for (const basis::FloatField& field : basis::kFloatFields) {
    std::vector<int64_t> shape = {n, d};
    if (field.square) shape.push_back(d);
    LK_ASSIGN(const auto* tensor,
              find_tensor(directory, prefix + field.name, ElementType::kF32, shape));
    split_heads(*tensor, side, field.values);
  }
  LK_ASSIGN(const auto* widths,
            find_tensor(directory, prefix + "widths", ElementType::kU8, {n, d}));
  split_heads(*widths, side, &HeadBasis::widths);
  return {};
}

Status read_surfaces(const safetensors::Directory& directory, BasisFile& file) {
  const size_t n = file.profile.levels.size();
  for (size_t l = 0; n > 0 && l < file.layers.size(); ++l) {
    LK_ASSIGN(const auto* tensor, find_tensor(directory, basis::profile_tensor(l),
                                              ElementType::kF32, {int64_t(n), int64_t(n)}));
    std::vector<float>& surface = file.profile.surfaces.emplace_back(n * n);
    std::memcpy(surface.data(), tensor->bytes.data(), n * n * sizeof(float));
  }
  return {};
}

}  // namespace

Result<BasisFile> parse_basis(std::string_view bytes, const std::string& name) {
  LK_RETURN_IF_ERROR(check_hash(bytes, name));
  LK_ASSIGN(const auto directory, safetensors::parse(std::as_bytes(std::span(bytes)), name));
  const auto entry = directory.metadata.find(basis::kHeaderKey);
  if (entry == directory.metadata.end()) {
    return damaged(name, std::string("expected metadata '") + basis::kHeaderKey + "', found none");
  }
  LK_ASSIGN(const json header, parse_json_object(entry->second, name + ": header"));
  LK_ASSIGN(BasisFile file, read_header(header, name));
  const int64_t n = file.joint ? 1 : file.n_kv_heads;
  const int64_t d = int64_t{file.head_dim} * (file.joint ? file.n_kv_heads : 1);
  for (size_t l = 0; l < file.layers.size(); ++l) {
    for (const char side : {'k', 'v'}) {
      const Status status = read_side(directory, basis::tensor_prefix(l, side), n, d,
                                      side == 'k' ? file.layers[l].k : file.layers[l].v);
      if (!status.ok()) return damaged(name + ": " + status.error().where, status.error().what);
    }
  }
  if (const Status status = read_surfaces(directory, file); !status.ok()) {
    return damaged(name + ": " + status.error().where, status.error().what);
  }
  LK_RETURN_IF_ERROR(check_basis(file, name));
  return file;
}

Result<BasisFile> read_basis(const std::string& path) {
  LK_ASSIGN(const FileMap map, FileMap::open(path));
  const auto bytes = map.bytes();
  return parse_basis({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

}  // namespace lowkey::models
