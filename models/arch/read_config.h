// From a file's own words to a ModelConfig that holds together.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "models/config.h"
#include "models/gguf/file.h"

namespace lowkey::models::arch {

/// From GGUF metadata; the directory tells what metadata leaves out (vocabulary, biases, tied
/// output, Llama-3's frequency factors).
Result<ModelConfig> config_from_gguf(const gguf::Directory& directory);

/// From a Hugging Face config.json. `where` (its path) begins every error; `has_output` says
/// whether the checkpoint holds an output matrix, for files that do not say if it is tied.
Result<ModelConfig> config_from_json(const nlohmann::json& json, const std::string& where,
                                     bool has_output);

}  // namespace lowkey::models::arch
