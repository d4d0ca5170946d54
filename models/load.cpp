#include <utility>

#include "models/arch/read_config.h"
#include "models/bind.h"
#include "models/gguf/file.h"
#include "models/model.h"

namespace lowkey::models {
namespace {

Result<Model> load_gguf(const std::string& path) {
  LK_ASSIGN(gguf::File file, gguf::open(path));
  Model model;
  model.path = path;
  LK_ASSIGN(model.config, arch::config_from_gguf(file.directory));
  std::vector<FoundTensor> found;
  for (const auto& tensor : file.tensors()) {
    found.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes});
  }
  LK_RETURN_IF_ERROR(bind(found, arch::Naming::kGguf, model));
  model.files.push_back(std::move(file.map));
  return model;
}

}  // namespace

Result<Model> load_model(const std::string& path) { return load_gguf(path); }

}  // namespace lowkey::models
