// A file mapped read-only into memory.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace lowkey {

class FileMap {
 public:
  FileMap() = default;
  static Result<FileMap> open(const std::string& path);
  FileMap(FileMap&& other) noexcept { swap(other); }
  FileMap& operator=(FileMap&& other) noexcept { return swap(other), *this; }
  ~FileMap();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  /// Lets the system drop the pages of `part`: they are read again from the file if touched.
  void release(std::span<const std::byte> part) const;

 private:
  void swap(FileMap& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(path_, other.path_);
  }
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::string path_;
};

/// Whole text file, at most `limit` bytes.
Result<std::string> read_text_file(const std::string& path, size_t limit = size_t{1} << 32);
/// Writes through a temporary name and a rename, so that `path` is never half-written.
Status write_file_atomically(const std::string& path, std::string_view bytes);

}  // namespace lowkey
