#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "models/arch/read_config.h"
#include "models/bind.h"
#include "models/checkpoint.h"
#include "models/gguf/file.h"
#include "models/json.h"
#include "models/model.h"

namespace lowkey::models {
namespace {

constexpr size_t kMaxConfigBytes = 1 << 20;

Result<Model> load_gguf(const std::string& path) {
  LK_ASSIGN(gguf::File file, gguf::open(path));
  Model model;
  model.path = path;
  LK_ASSIGN(model.config, arch::config_from_gguf(file.directory));
  std::vector<FoundTensor> found;
  for (const auto& tensor : file.tensors()) {
    found.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes});
  }
  LK_RETURN_IF_ERROR(bind_tensors(found, arch::Naming::kGguf, model));
  model.files.push_back(std::move(file.map));
  return model;
}

Result<Model> load_checkpoint(const std::string& path) {
  LK_ASSIGN(Checkpoint checkpoint, open_checkpoint(path));
  Model model;
  model.path = path;
  LK_ASSIGN(const auto json, read_json_object(checkpoint.config_path, kMaxConfigBytes));
  const bool has_output = std::ranges::any_of(checkpoint.tensors, [](const FoundTensor& tensor) {
    return tensor.name == "lm_head.weight";
  });
  std::error_code ignored;
  LK_ASSIGN(model.config, arch::config_from_json(json, checkpoint.config_path, has_output));
  const auto folder = std::filesystem::absolute(checkpoint.config_path, ignored).parent_path();
  if (folder.has_filename()) model.config.name = folder.filename().string();
  LK_RETURN_IF_ERROR(bind_tensors(checkpoint.tensors, arch::Naming::kHuggingFace, model));
  model.files = std::move(checkpoint.files);
  return model;
}

}  // namespace

Result<Model> load_model(const std::string& path) {
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(path, ignored);
  return folder || path.ends_with(".safetensors") ? load_checkpoint(path) : load_gguf(path);
}

}  // namespace lowkey::models
