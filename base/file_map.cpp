#include "base/file_map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace lowkey {

namespace {

Error system_error(const std::string& path, const char* action) {
  const int code = errno;
  return make_error(code == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path,
                    std::string(action) + ": " + std::strerror(code));
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

Result<FileMap> FileMap::open(const std::string& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return system_error(path, "cannot open");
  struct stat info;
  if (fstat(file.fd, &info) != 0) return system_error(path, "cannot stat");
  if (!S_ISREG(info.st_mode)) {
    return make_error(ErrorCode::kInvalidArgument, path,
                      "expected a regular file, found something else");
  }
  FileMap map;
  map.path_ = path;
  map.size_ = size_t(info.st_size);
  if (map.size_ == 0) return map;
  void* data = mmap(nullptr, map.size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) {
    map.size_ = 0;
    return system_error(path, "cannot map");
  }
  map.data_ = static_cast<const std::byte*>(data);
  return map;
}

FileMap::~FileMap() {
  if (data_) munmap(const_cast<std::byte*>(data_), size_);
}

void FileMap::release(std::span<const std::byte> part) const {
  const uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (uintptr_t(part.data()) + page - 1) / page * page;
  const uintptr_t end = uintptr_t(part.data() + part.size()) / page * page;
  if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Result<std::string> read_text_file(const std::string& path, size_t limit) {
  LK_ASSIGN(const FileMap map, FileMap::open(path));
  if (map.bytes().size() > limit) {
    return make_error(ErrorCode::kInvalidData, path,
                      "expected at most " + std::to_string(limit) + " bytes, found " +
                          std::to_string(map.bytes().size()));
  }
  return std::string(reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size());
}

Status write_file_atomically(const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".part" + std::to_string(getpid());
  Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
  if (file.fd < 0) return system_error(temporary, "cannot create");
  while (!bytes.empty()) {
    const ssize_t n = write(file.fd, bytes.data(), bytes.size());
    if (n < 0) {
      const Error error = system_error(temporary, "cannot write");
      unlink(temporary.c_str());
      return error;
    }
    bytes.remove_prefix(size_t(n));
  }
  // Before the name: after a power cut it would else stand for a file of zeros.
  if (fsync(file.fd) != 0) {
    const Error error = system_error(temporary, "cannot write to disk");
    unlink(temporary.c_str());
    return error;
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    const Error error = system_error(path, "cannot rename into place");
    unlink(temporary.c_str());
    return error;
  }
  return {};
}

}  // namespace lowkey
