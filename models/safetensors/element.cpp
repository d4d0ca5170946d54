#include "models/safetensors/element.h"

namespace lowkey::models::safetensors {
namespace {

struct Element {
  ElementType type;
  std::string_view name;
  int64_t bytes;
};

constexpr Element kElements[] = {
    {ElementType::kF64, "F64", 8},   {ElementType::kF32, "F32", 4}, {ElementType::kF16, "F16", 2},
    {ElementType::kBF16, "BF16", 2}, {ElementType::kI64, "I64", 8}, {ElementType::kI32, "I32", 4},
    {ElementType::kI16, "I16", 2},   {ElementType::kI8, "I8", 1},   {ElementType::kU8, "U8", 1},
    {ElementType::kBool, "BOOL", 1},
};

}  // namespace

std::string_view element_name(ElementType type) { return kElements[size_t(type)].name; }
int64_t element_bytes(ElementType type) { return kElements[size_t(type)].bytes; }

std::optional<ElementType> element_named(std::string_view name) {
  for (const Element& element : kElements) {
    if (element.name == name) return element.type;
  }
  return {};
}

std::optional<int64_t> shape_bytes(ElementType type, const std::vector<int64_t>& shape) {
  // 2^53: the largest count that every JSON reader keeps exact.
  constexpr int64_t kMost = int64_t{1} << 53;
  int64_t n = element_bytes(type);
  for (const int64_t dim : shape) {
    if (dim < 0 || dim > kMost) return {};
    if (dim != 0 && n > kMost / dim) return {};
    n *= dim;
  }
  return n;
}

}  // namespace lowkey::models::safetensors
