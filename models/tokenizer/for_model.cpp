// Chooses the reader by what lies at the path.
#include <filesystem>

#include "models/gguf/file.h"
#include "models/tokenizer/from_gguf.h"
#include "models/tokenizer/from_json.h"

namespace lowkey::models {

Result<Tokenizer> tokenizer_for_model(const std::string& model_path) {
  const std::filesystem::path path(model_path);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return tokenizer_from_folder(model_path);
  if (path.extension() == ".safetensors") {
    return tokenizer_from_folder(path.parent_path().string());
  }
  LK_ASSIGN(const auto file, gguf::open(model_path));  // as load_model does, whatever its name is
  return tokenizer_from_gguf(file.metadata());
}

}  // namespace lowkey::models
