// Safetensors container: a JSON header and one block of data, every offset proven. Our own files
// of bases use it too. Format: https://github.com/huggingface/safetensors#format
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/file_map.h"
#include "base/result.h"

namespace lowkey::models::safetensors {

enum class ElementType { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

/// The format's own name: "F32", "BF16", "I8", "BOOL".
std::string_view element_name(ElementType type);
int64_t element_bytes(ElementType type);

struct Tensor {
  std::string name;
  ElementType type = ElementType::kF32;
  std::vector<int64_t> shape;  // outermost first; empty for a scalar
  std::span<const std::byte> bytes;

  int64_t n_elements() const { return int64_t(bytes.size()) / element_bytes(type); }
};

struct Directory {
  std::map<std::string, std::string> metadata;  // the header's __metadata__
  std::vector<Tensor> tensors;                  // by place in the file

  /// nullptr if there is no such tensor.
  const Tensor* find(std::string_view name) const;
};

/// Reads a whole file's bytes; the result points into them. `name` (a path, usually) begins every
/// error. kInvalidData for damage, kUnsupported for element types not listed above.
/// Nothing says that a tensor's bytes are aligned to its elements: copy, or ask.
Result<Directory> parse(std::span<const std::byte> bytes, const std::string& name);

struct File {
  FileMap map;
  Directory directory;
};

Result<File> open(const std::string& path);

/// The bytes of a file that holds `tensors` in their order, padded so that data of every type is
/// aligned as long as wider types come first. kInvalidArgument for names that are empty, double
/// or "__metadata__", and for bytes that do not fill a shape.
Result<std::string> serialise(const std::map<std::string, std::string>& metadata,
                              const std::vector<Tensor>& tensors);

/// serialise() to a file that appears whole or not at all.
Status write_safetensors(const std::string& path,
                         const std::map<std::string, std::string>& metadata,
                         const std::vector<Tensor>& tensors);

}  // namespace lowkey::models::safetensors
