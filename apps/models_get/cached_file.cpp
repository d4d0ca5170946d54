#include "apps/models_get/cached_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/file_map.h"

namespace lowkey::apps {

namespace {

Error system_error(const std::string& path, const char* action) {
  return make_error(ErrorCode::kIo, path, std::string(action) + ": " + std::strerror(errno));
}

/// What the marker of a verified file says; empty if the file is absent or not a file.
std::string marker_text(const std::string& path, const std::string& sha256) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
  return sha256 + " " + std::to_string(info.st_size) + " " + std::to_string(info.st_mtim.tv_sec) +
         "." + std::to_string(info.st_mtim.tv_nsec) + "\n";
}

/// A missing marker costs one more hash next time, so a folder that can't be written is no error.
void leave_marker(const std::string& path, const std::string& sha256) {
  const Status written = write_file_atomically(path + ".ok", marker_text(path, sha256));
  (void)written.ok();
}

}  // namespace

Result<FileLock> FileLock::acquire(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return system_error(path, "cannot create the lock file");
  FileLock lock(fd);
  while (flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) return system_error(path, "cannot lock");
  }
  return lock;
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

bool is_verified(const std::string& path, int64_t n_bytes, const std::string& sha256) {
  const std::string expected = marker_text(path, sha256);
  if (expected.empty()) return false;
  const auto marker = read_text_file(path + ".ok", 256);
  if (marker.ok() && *marker == expected) return true;
  const auto map = FileMap::open(path);
  if (!map.ok() || int64_t(map->bytes().size()) != n_bytes) return false;
  if (sha256_hex(map->bytes()) != sha256) return false;
  leave_marker(path, sha256);
  return true;
}

Result<PartFile> PartFile::create(const std::string& path) {
  const std::string part = path + ".part";
  const int fd = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return system_error(part, "cannot create");
  return PartFile(path, fd);
}

PartFile::PartFile(PartFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      n_written_(other.n_written_),
      hash_(other.hash_) {}

PartFile::~PartFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(part().c_str());
}

Status PartFile::append(std::span<const std::byte> bytes) {
  hash_.update(bytes);
  n_written_ += int64_t(bytes.size());
  while (!bytes.empty()) {
    const ssize_t n = write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error(part(), "cannot write");
    bytes = bytes.subspan(size_t(n));
  }
  return {};
}

Status PartFile::commit(int64_t n_bytes, const std::string& sha256) {
  const std::string found = to_hex(hash_.finish());
  if (found != sha256 || n_written_ != n_bytes) {
    return make_error(ErrorCode::kInvalidData, path_,
                      "expected " + std::to_string(n_bytes) + " bytes with SHA-256 " + sha256 +
                          ", found " + std::to_string(n_written_) + " with " + found);
  }
  if (fsync(fd_) != 0) return system_error(part(), "cannot sync");
  if (rename(part().c_str(), path_.c_str()) != 0) return system_error(path_, "cannot rename");
  close(std::exchange(fd_, -1));
  leave_marker(path_, sha256);
  return {};
}

}  // namespace lowkey::apps
