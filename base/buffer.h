// Owner of 64-byte aligned memory; large blocks ask the system for huge pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/result.h"

namespace lowkey {

/// Whether large blocks ask the system for huge pages (they do if nothing is said); for blocks
/// allocated from now on. An answer of the system's own settings comes first.
void use_huge_pages(bool wanted);

class ByteBuffer {
 public:
  ByteBuffer() = default;
  /// Zeroed memory of `bytes`, or kOutOfMemory. `what` names the use in the error.
  static Result<ByteBuffer> allocate(int64_t bytes, const char* what);
  /// The same, but nothing is touched yet: each page of the system's goes to the memory node of the
  /// thread that writes to it first (base/placement.h).
  static Result<ByteBuffer> reserve(int64_t bytes, const char* what);
  ByteBuffer(ByteBuffer&& other) noexcept { swap(other); }
  ByteBuffer& operator=(ByteBuffer&& other) noexcept { return swap(other), *this; }
  ~ByteBuffer();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  void swap(ByteBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(mapped_, other.mapped_);
  }
  std::byte* data_ = nullptr;
  int64_t size_ = 0;
  int64_t mapped_ = 0;  // bytes of a mapping of its own; 0: of the heap
};

/// Fixed-size aligned array of plain values; grows only by replacement.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  static Result<Buffer> allocate(int64_t n, const char* what) {
    int64_t n_bytes = 0;
    if (__builtin_mul_overflow(n, int64_t{sizeof(T)}, &n_bytes)) n_bytes = -1;  // refused below
    auto bytes = ByteBuffer::allocate(n_bytes, what);
    if (!bytes.ok()) return bytes.error();
    Buffer buffer;
    buffer.bytes_ = std::move(bytes).value();
    return buffer;
  }
  T* data() { return reinterpret_cast<T*>(bytes_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(bytes_.data()); }
  int64_t size() const { return bytes_.size() / int64_t{sizeof(T)}; }
  T& operator[](int64_t i) { return data()[i]; }
  const T& operator[](int64_t i) const { return data()[i]; }
  std::span<T> span() { return {data(), size_t(size())}; }

 private:
  ByteBuffer bytes_;
};

}  // namespace lowkey
