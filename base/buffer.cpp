#include "base/buffer.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/view.h"

namespace lowkey {

namespace {

constexpr int64_t kPage = 4096, kHugePage = int64_t{2} << 20;
constexpr int64_t kMostBytes = int64_t{1} << 46;

std::atomic<bool> huge_pages_wanted = true;

void ask_for_huge_pages(void* memory, int64_t bytes) {
#ifdef MADV_HUGEPAGE
  if (huge_pages_wanted) madvise(memory, size_t(bytes), MADV_HUGEPAGE);
#endif
}

Error no_memory(int64_t bytes, const char* what) {
  return make_error(ErrorCode::kOutOfMemory, what,
                    "cannot allocate " + std::to_string(bytes) + " bytes");
}

}  // namespace

void use_huge_pages(bool wanted) { huge_pages_wanted = wanted; }

Result<ByteBuffer> ByteBuffer::allocate(int64_t bytes, const char* what) {
  ByteBuffer buffer;
  if (bytes == 0) return buffer;
  if (bytes < 0 || bytes > kMostBytes) return no_memory(bytes, what);
  const int64_t alignment = bytes >= kHugePage ? kHugePage : 64;
  const int64_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(size_t(alignment), size_t(rounded));
  if (!memory) return no_memory(bytes, what);
  if (alignment == kHugePage) ask_for_huge_pages(memory, rounded);
  std::memset(memory, 0, size_t(bytes));
  buffer.data_ = static_cast<std::byte*>(memory);
  buffer.size_ = bytes;
  return buffer;
}

Result<ByteBuffer> ByteBuffer::reserve(int64_t bytes, const char* what) {
  ByteBuffer buffer;
  if (bytes == 0) return buffer;
  if (bytes < 0 || bytes > kMostBytes) return no_memory(bytes, what);
  const int64_t page = bytes >= kHugePage ? kHugePage : kPage, size = round_up(bytes, page);
  const int64_t mapped = size + page - kPage;  // room to begin where a page does
  void* memory =
      mmap(nullptr, size_t(mapped), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return no_memory(bytes, what);
  auto* first = static_cast<std::byte*>(memory);
  const int64_t skipped = int64_t(-uintptr_t(first) & uintptr_t(page - 1));
  if (skipped > 0) munmap(first, size_t(skipped));
  if (mapped > skipped + size) munmap(first + skipped + size, size_t(mapped - skipped - size));
  buffer.data_ = first + skipped;
  buffer.size_ = bytes;
  buffer.mapped_ = size;
  if (page == kHugePage) ask_for_huge_pages(buffer.data_, size);
  return buffer;
}

ByteBuffer::~ByteBuffer() {
  if (mapped_ > 0) {
    munmap(data_, size_t(mapped_));
  } else {
    std::free(data_);
  }
}

}  // namespace lowkey
