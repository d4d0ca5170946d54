// A Hugging Face checkpoint: one or many safetensors files beside a config.json.
#pragma once

#include <string>
#include <vector>

#include "base/file_map.h"
#include "base/result.h"
#include "models/bind.h"

namespace lowkey::models {

struct Checkpoint {
  std::string config_path;
  std::vector<FileMap> files;  // own the bytes of `tensors`
  std::vector<FoundTensor> tensors;
};

/// `path`: a .safetensors file, or a folder. In a folder model.safetensors.index.json names the
/// files; without it every *.safetensors counts. Weights must be F32, F16 or BF16.
Result<Checkpoint> open_checkpoint(const std::string& path);

}  // namespace lowkey::models
