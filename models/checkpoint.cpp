#include "models/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "models/json.h"
#include "models/safetensors/file.h"

namespace lowkey::models {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kMaxIndexBytes = 100'000'000;
constexpr const char* kIndexName = "model.safetensors.index.json";

using WeightMap = std::map<std::string, std::string>;  // tensor -> file name

/// The index's weight_map. File names must stay in the folder: an index is not trusted.
Result<WeightMap> read_index(const std::string& path) {
  LK_ASSIGN(const json object, read_json_object(path, kMaxIndexBytes));
  const auto it = object.find("weight_map");
  if (it == object.end() || !it->is_object()) {
    return make_error(ErrorCode::kInvalidData, path, "expected an object 'weight_map'");
  }
  WeightMap out;
  for (const auto& [tensor, value] : it->items()) {
    const auto* file = value.get_ptr<const std::string*>();
    if (!file || !file->ends_with(".safetensors") || file->find('/') != std::string::npos) {
      return make_error(
          ErrorCode::kInvalidData, path,
          "tensor '" + tensor + "': expected the name of a .safetensors file of the same folder");
    }
    out[tensor] = *file;
  }
  return out;
}

/// Names of all *.safetensors of a folder, sorted.
Result<std::set<std::string>> list_folder(const std::string& folder) {
  std::set<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) {
    const std::string name = it->path().filename().string();
    if (name.ends_with(".safetensors")) names.insert(name);
  }
  if (failed) return make_error(ErrorCode::kIo, folder, "cannot list: " + failed.message());
  if (names.empty()) {
    return make_error(ErrorCode::kNotFound, folder, "expected *.safetensors files, found none");
  }
  return names;
}

Result<DType> weight_type(const safetensors::Tensor& tensor, const std::string& path) {
  switch (tensor.type) {
    case safetensors::ElementType::kF32:
      return DType::kF32;
    case safetensors::ElementType::kF16:
      return DType::kF16;
    case safetensors::ElementType::kBF16:
      return DType::kBF16;
    default:
      break;
  }
  return make_error(ErrorCode::kUnsupported, path + ": tensor '" + tensor.name + "'",
                    "expected weights of F32, F16 or BF16, found " +
                        std::string(safetensors::element_name(tensor.type)));
}

Status add_file(const std::string& path, Checkpoint& checkpoint) {
  LK_ASSIGN(safetensors::File file, safetensors::open(path));
  for (const auto& tensor : file.directory.tensors) {
    LK_ASSIGN(const DType dtype, weight_type(tensor, path));
    checkpoint.tensors.push_back({tensor.name, dtype, tensor.shape, tensor.bytes});
  }
  checkpoint.files.push_back(std::move(file.map));
  return {};
}

/// Opens the files that the index names and holds it to its word.
Status add_indexed(const std::string& folder, Checkpoint& checkpoint) {
  const std::string index = folder + "/" + kIndexName;
  LK_ASSIGN(const WeightMap weights, read_index(index));
  std::map<std::string, std::set<std::string>> by_file;
  for (const auto& [tensor, file] : weights) by_file[file].insert(tensor);
  for (const auto& [file, promised] : by_file) {
    const size_t before = checkpoint.tensors.size();
    LK_RETURN_IF_ERROR(add_file(folder + "/" + file, checkpoint));
    std::set<std::string> found;
    for (size_t i = before; i < checkpoint.tensors.size(); ++i) {
      found.insert(checkpoint.tensors[i].name);
    }
    const auto [missing, extra] = std::ranges::mismatch(promised, found);
    if (missing == promised.end() && extra == found.end()) continue;
    const bool is_missing = missing != promised.end() && !found.contains(*missing);
    return make_error(ErrorCode::kInvalidData, index,
                      "tensor '" + (is_missing ? *missing : *extra) + "': the index and " + file +
                          " disagree on whether it is there");
  }
  return {};
}

}  // namespace

Result<Checkpoint> open_checkpoint(const std::string& path) {
  Checkpoint checkpoint;
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    checkpoint.config_path = (fs::path(path).parent_path() / "config.json").string();
    LK_RETURN_IF_ERROR(add_file(path, checkpoint));
    return checkpoint;
  }
  checkpoint.config_path = path + "/config.json";
  if (fs::exists(path + "/" + kIndexName, ignored)) {
    LK_RETURN_IF_ERROR(add_indexed(path, checkpoint));
    return checkpoint;
  }
  LK_ASSIGN(const auto names, list_folder(path));
  for (const std::string& name : names) {
    LK_RETURN_IF_ERROR(add_file(path + "/" + name, checkpoint));
  }
  return checkpoint;
}

}  // namespace lowkey::models
