#include "base/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace lowkey {

namespace {
constexpr int64_t kHugePage = int64_t{2} << 20;
}

Result<ByteBuffer> ByteBuffer::allocate(int64_t bytes, const char* what) {
  ByteBuffer buffer;
  if (bytes == 0) return buffer;
  const auto fail = [&] {
    return make_error(ErrorCode::kOutOfMemory, what,
                      "cannot allocate " + std::to_string(bytes) + " bytes");
  };
  if (bytes < 0 || bytes > (int64_t{1} << 46)) return fail();
  const int64_t alignment = bytes >= kHugePage ? kHugePage : 64;
  const int64_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(size_t(alignment), size_t(rounded));
  if (!memory) return fail();
#ifdef MADV_HUGEPAGE
  if (alignment == kHugePage) madvise(memory, size_t(rounded), MADV_HUGEPAGE);
#endif
  std::memset(memory, 0, size_t(bytes));
  buffer.data_ = static_cast<std::byte*>(memory);
  buffer.size_ = bytes;
  return buffer;
}

ByteBuffer::~ByteBuffer() { std::free(data_); }

}  // namespace lowkey
