#include "models/arch/family.h"

namespace lowkey::models::arch {
namespace {

// gemma3 would stand here, after models/arch/gemma3.cpp.
constexpr const Family* kFamilies[] = {&kLlama, &kQwen2, &kQwen3};

}  // namespace

Result<const Family*> find_family(std::string_view name, const std::string& where) {
  std::string names;
  for (const Family* family : kFamilies) {
    if (family->name == name) return family;
    names += (names.empty() ? "" : ", ") + std::string(family->name);
  }
  return make_error(ErrorCode::kUnsupported, where,
                    "expected a model family among " + names + ", found '" +
                        std::string(name.substr(0, 64)) + "'");
}

}  // namespace lowkey::models::arch
