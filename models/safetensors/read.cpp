#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/cursor.h"
#include "models/json.h"
#include "models/safetensors/element.h"
#include "models/safetensors/file.h"

namespace lowkey::models::safetensors {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr size_t kMaxDims = 8;

Error damaged(const std::string& where, std::string what) {
  return make_error(ErrorCode::kInvalidData, where, std::move(what));
}

Result<std::map<std::string, std::string>> read_metadata(const json& object,
                                                         const std::string& where) {
  std::map<std::string, std::string> out;
  if (!object.is_object()) return damaged(where, "__metadata__: expected an object of strings");
  for (const auto& [key, value] : object.items()) {
    const auto* text = value.get_ptr<const std::string*>();
    if (!text) return damaged(where, "__metadata__ '" + key + "': expected a string");
    out[key] = *text;
  }
  return out;
}

/// An array of integers in [0, 2^53].
Result<std::vector<int64_t>> read_counts(const json& entry, const char* key, size_t most,
                                         const std::string& where) {
  const auto it = entry.find(key);
  if (it == entry.end() || !it->is_array() || it->size() > most) {
    return damaged(where, std::string("expected '") + key + "' to be an array of at most " +
                              std::to_string(most) + " counts");
  }
  std::vector<int64_t> out;
  for (const json& item : *it) {
    const auto* count = item.get_ptr<const json::number_unsigned_t*>();
    if (!count || *count > uint64_t{1} << 53) {
      return damaged(where, std::string("expected counts from 0 to 2^53 in '") + key + "'");
    }
    out.push_back(int64_t(*count));
  }
  return out;
}

Result<ElementType> read_type(const json& entry, const std::string& where) {
  const auto it = entry.find("dtype");
  const auto* name = it == entry.end() ? nullptr : it->get_ptr<const std::string*>();
  if (!name) return damaged(where, "expected 'dtype' to be a string");
  if (const auto type = element_named(*name)) return *type;
  return make_error(ErrorCode::kUnsupported, where,
                    "expected a dtype among F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL, "
                    "found '" +
                        name->substr(0, 32) + "'");
}

Result<Tensor> read_tensor(const std::string& name, const json& entry,
                           std::span<const std::byte> data, const std::string& where) {
  if (!entry.is_object()) return damaged(where, "expected an object that describes a tensor");
  Tensor tensor;
  tensor.name = name;
  LK_ASSIGN(tensor.type, read_type(entry, where));
  LK_ASSIGN(tensor.shape, read_counts(entry, "shape", kMaxDims, where));
  LK_ASSIGN(const auto offsets, read_counts(entry, "data_offsets", 2, where));
  const auto n_bytes = shape_bytes(tensor.type, tensor.shape);
  if (!n_bytes) return damaged(where, "expected a shape of at most 2^53 bytes, found more");
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > int64_t(data.size())) {
    return damaged(where, "expected two rising data_offsets of at most " +
                              std::to_string(data.size()) + ", found others");
  }
  if (offsets[1] - offsets[0] != *n_bytes) {
    return damaged(where, "expected " + std::to_string(*n_bytes) + " bytes for its shape, found " +
                              std::to_string(offsets[1] - offsets[0]));
  }
  tensor.bytes = data.subspan(size_t(offsets[0]), size_t(*n_bytes));
  return tensor;
}

/// Sorts by place; the tensors must fill the data without holes and without overlap.
Status check_cover(std::vector<Tensor>& tensors, std::span<const std::byte> data,
                   const std::string& path) {
  std::ranges::sort(tensors, [](const Tensor& a, const Tensor& b) {
    return std::pair(a.bytes.data(), a.bytes.size()) < std::pair(b.bytes.data(), b.bytes.size());
  });
  const std::byte* end = data.data();
  for (const Tensor& tensor : tensors) {
    if (tensor.bytes.data() != end) {
      return damaged(path + ": tensor '" + tensor.name + "'",
                     "expected data that begins at offset " + std::to_string(end - data.data()) +
                         ", where the previous tensor ends, found " +
                         std::to_string(tensor.bytes.data() - data.data()));
    }
    end += tensor.bytes.size();
  }
  const auto covered = uint64_t(end - data.data());
  if (covered == data.size()) return {};
  return damaged(path, "expected tensors that cover all " + std::to_string(data.size()) +
                           " bytes of data, found " + std::to_string(covered));
}

}  // namespace

const Tensor* Directory::find(std::string_view name) const {
  const auto it = std::ranges::find(tensors, name, &Tensor::name);
  return it == tensors.end() ? nullptr : &*it;
}

Result<Directory> parse(std::span<const std::byte> bytes, const std::string& name) {
  Cursor in(bytes, name);
  LK_ASSIGN(const auto n_header, in.read<uint64_t>("the header's length"));
  if (n_header > kMaxHeaderBytes) {
    return in.error("expected a header of at most 100000000 bytes, found " +
                    std::to_string(n_header));
  }
  LK_ASSIGN(const auto header, in.take(n_header, "the header"));
  const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
  LK_ASSIGN(const json object, parse_json_object(text, name + ": header"));
  const auto data = bytes.subspan(in.position());

  Directory directory;
  for (const auto& [key, entry] : object.items()) {
    if (key == "__metadata__") {
      LK_ASSIGN(directory.metadata, read_metadata(entry, name));
      continue;
    }
    LK_ASSIGN(Tensor tensor, read_tensor(key, entry, data, name + ": tensor '" + key + "'"));
    directory.tensors.push_back(std::move(tensor));
  }
  LK_RETURN_IF_ERROR(check_cover(directory.tensors, data, name));
  return directory;
}

Result<File> open(const std::string& path) {
  File file;
  LK_ASSIGN(file.map, FileMap::open(path));
  LK_ASSIGN(file.directory, parse(file.map.bytes(), path));
  return file;
}

}  // namespace lowkey::models::safetensors
