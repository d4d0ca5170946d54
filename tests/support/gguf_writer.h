// Writes GGUF v3 files, well-formed or wilfully not: tests choose every number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/dtype.h"

namespace lowkey::testing {

/// The bytes of a plain value as the file stores them.
template <class T>
std::string raw(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}

/// A string with its 8-byte length in front.
std::string gguf_string(std::string_view text);

class GgufWriter {
 public:
  /// A pair of any type: `payload` holds the bytes after the type number.
  void add(std::string_view key, uint32_t type, std::string_view payload);
  /// The same in place of the pairs that have this key.
  void replace(std::string_view key, uint32_t type, std::string_view payload);
  void add_u32(std::string_view key, uint32_t value) { add(key, 4, raw(value)); }
  void add_f32(std::string_view key, float value) { add(key, 6, raw(value)); }
  void add_bool(std::string_view key, bool value) { add(key, 7, raw(char(value))); }
  void add_string(std::string_view key, std::string_view value) { add(key, 8, gguf_string(value)); }
  void add_strings(std::string_view key, const std::vector<std::string>& values);
  void add_ints(std::string_view key, const std::vector<int32_t>& values);
  void add_floats(std::string_view key, const std::vector<float>& values);

  /// `dims` in the file's order (columns first); `bytes` are stored as they are.
  void add_tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                  std::string bytes);
  void add_tensor(std::string_view name, const std::vector<uint64_t>& dims, DType type,
                  std::string bytes);

  // What tests bend. Counts and offsets follow from the contents unless they are set here.
  uint32_t magic = 0x46554747;
  uint32_t version = 3;
  uint64_t alignment = 32;  // used for layout; add the key "general.alignment" yourself
  std::vector<std::pair<size_t, uint64_t>> forced_offsets;  // tensor index -> offset
  uint64_t extra_tensors = 0, extra_pairs = 0;              // added to the header's counts

  /// The file.
  std::string bytes() const;

 private:
  struct Tensor {
    std::string head;  // name, dimensions and type
    std::string bytes;
  };
  std::vector<std::pair<std::string, std::string>> pairs_;  // key, and the whole pair's bytes
  std::vector<Tensor> tensors_;
};

}  // namespace lowkey::testing
