// GGUF v2/v3 container: header, metadata and tensor directory, every count and offset proven.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/file_map.h"
#include "base/result.h"
#include "models/gguf/metadata.h"

namespace lowkey::models::gguf {

struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;        // outermost first: the format's dimensions reversed
  std::span<const std::byte> bytes;  // exactly the tensor's
};

struct Directory {
  uint32_t version = 0;
  uint64_t alignment = 32;
  Metadata metadata;
  std::vector<TensorInfo> tensors;  // in the file's order
};

/// Reads a whole file's bytes. `name` (a path, usually) begins every error. The result points
/// into `bytes`. kInvalidData for damage, kUnsupported for versions and tensor types not known.
Result<Directory> parse(std::span<const std::byte> bytes, const std::string& name);

/// A mapped file and its directory.
struct File {
  FileMap map;
  Directory directory;

  const Metadata& metadata() const { return directory.metadata; }
  const std::vector<TensorInfo>& tensors() const { return directory.tensors; }
};

Result<File> open(const std::string& path);

}  // namespace lowkey::models::gguf
