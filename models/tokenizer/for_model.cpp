// Chooses the reader by what lies at the path.
#include <filesystem>

#include "models/gguf/file.h"
#include "models/tokenizer/from_gguf.h"
#include "models/tokenizer/from_json.h"

namespace lowkey::models {

Result<Tokenizer> tokenizer_for_model(const std::string& model_path) {
  const std::filesystem::path path(model_path);
  if (path.extension() == ".gguf") {
    LK_ASSIGN(const auto file, gguf::open(model_path));
    return tokenizer_from_gguf(file.metadata());
  }
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  return tokenizer_from_folder((is_folder ? path : path.parent_path()).string());
}

}  // namespace lowkey::models
