#include "models/gguf/types.h"

#include <utility>

namespace lowkey::models::gguf {
namespace {

constexpr std::pair<uint32_t, DType> kSupported[] = {
    {0, DType::kF32},   {1, DType::kF16},   {30, DType::kBF16}, {8, DType::kQ8_0},
    {2, DType::kQ4_0},  {3, DType::kQ4_1},  {6, DType::kQ5_0},  {7, DType::kQ5_1},
    {12, DType::kQ4_K}, {13, DType::kQ5_K}, {14, DType::kQ6_K},
};

// Numbers in use by ggml; empty where a type was withdrawn.
constexpr const char* kNames[] = {
    "F32",    "F16",   "Q4_0",  "Q4_1",   "",      "",      "Q5_0",    "Q5_1",   "Q8_0",    "Q8_1",
    "Q2_K",   "Q3_K",  "Q4_K",  "Q5_K",   "Q6_K",  "Q8_K",  "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S",
    "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",    "I16",   "I32",     "I64",    "F64",     "IQ1_M",
    "BF16",   "",      "",      "",       "TQ1_0", "TQ2_0", "",        "",       "",        "MXFP4",
};

}  // namespace

std::optional<DType> dtype_of(uint32_t type) {
  for (const auto& [number, dtype] : kSupported) {
    if (number == type) return dtype;
  }
  return {};
}

uint32_t type_of(DType dtype) {
  for (const auto& [number, candidate] : kSupported) {
    if (candidate == dtype) return number;
  }
  return ~uint32_t{0};
}

std::string type_name(uint32_t type) {
  if (type < std::size(kNames) && *kNames[type] != 0) return kNames[type];
  return "type " + std::to_string(type);
}

std::string supported_types() {
  std::string out;
  for (const auto& entry : kSupported) {
    if (!out.empty()) out += ", ";
    out += dtype_info(entry.second).name;
  }
  return out;
}

}  // namespace lowkey::models::gguf
