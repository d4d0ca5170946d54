// A verified file in the cache folder: locked while it is made, complete or absent at any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "base/sha256.h"

namespace lowkey::apps {

/// Held by one process at a time (flock); waits for the other. Released when it goes out of scope.
class FileLock {
 public:
  static Result<FileLock> acquire(const std::string& path);
  FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

/// Whether `path` holds exactly the bytes with this digest. Hashes the file once and leaves a
/// marker beside it (path + ".ok"); later calls trust the marker while size and time agree.
bool is_verified(const std::string& path, int64_t n_bytes, const std::string& sha256);

/// Writes to path + ".part", hashing on the way; commit() puts it in place if the digest agrees.
/// Without a commit the part is removed.
class PartFile {
 public:
  static Result<PartFile> create(const std::string& path);
  PartFile(PartFile&& other) noexcept;
  PartFile& operator=(PartFile&&) = delete;
  ~PartFile();

  Status append(std::span<const std::byte> bytes);
  /// kInvalidData with expected and found digest if they differ.
  Status commit(int64_t n_bytes, const std::string& sha256);

 private:
  PartFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string part() const { return path_ + ".part"; }

  std::string path_;
  int fd_;
  int64_t n_written_ = 0;
  Sha256 hash_;
};

}  // namespace lowkey::apps
