#include <cstring>
#include <nlohmann/json.hpp>

#include "models/safetensors/element.h"
#include "models/safetensors/file.h"

namespace lowkey::models::safetensors {
namespace {

using nlohmann::json;

Error refused(const std::string& name, std::string what) {
  return make_error(ErrorCode::kInvalidArgument, "tensor '" + name + "'", std::move(what));
}

std::string length_prefix(uint64_t n) {
  std::string out(sizeof n, '\0');
  std::memcpy(out.data(), &n, sizeof n);
  return out;
}

}  // namespace

Result<std::string> serialise(const std::map<std::string, std::string>& metadata,
                              const std::vector<Tensor>& tensors) {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  size_t n_data = 0;
  for (const Tensor& tensor : tensors) {
    if (tensor.name.empty() || tensor.name == "__metadata__" || header.contains(tensor.name)) {
      return refused(tensor.name, "expected a name of its own, found an empty or taken one");
    }
    const auto n_bytes = shape_bytes(tensor.type, tensor.shape);
    if (!n_bytes || uint64_t(*n_bytes) != tensor.bytes.size()) {
      return refused(tensor.name, "expected bytes that fill its shape, found " +
                                      std::to_string(tensor.bytes.size()));
    }
    header[tensor.name] = {{"dtype", element_name(tensor.type)},
                           {"shape", tensor.shape},
                           {"data_offsets", {n_data, n_data + tensor.bytes.size()}}};
    n_data += tensor.bytes.size();
  }
  // The error handler replaces bytes that are no UTF-8: the default would throw.
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string out = length_prefix(text.size()) + text;
  out.reserve(out.size() + n_data);
  for (const Tensor& tensor : tensors) {
    out.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  return out;
}

Status write_safetensors(const std::string& path,
                         const std::map<std::string, std::string>& metadata,
                         const std::vector<Tensor>& tensors) {
  LK_ASSIGN(const std::string bytes, serialise(metadata, tensors));
  return write_file_atomically(path, bytes);
}

}  // namespace lowkey::models::safetensors
