// Many blocks of memory beside each other, so that blocks too small for a huge page of their own
// lie in huge pages all the same: reading them misses the TLB far less often.
#pragma once

#include <memory>

#include "base/buffer.h"

namespace lowkey {

/// A block of an arena. Copies share it; its memory lives as long as any block of its chunk.
class ArenaBlock {
 public:
  ArenaBlock() = default;
  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  friend class Arena;
  std::shared_ptr<ByteBuffer> chunk_;
  std::byte* data_ = nullptr;
  int64_t size_ = 0;
};

class Arena {
 public:
  /// Takes chunks of `chunk_bytes` from the system, and larger ones for larger blocks.
  explicit Arena(int64_t chunk_bytes) : chunk_bytes_(chunk_bytes) {}

  /// A block of zeroed memory that nobody has touched yet, 64-byte aligned; kOutOfMemory of `what`.
  Result<ArenaBlock> take(int64_t bytes, const char* what);

 private:
  int64_t chunk_bytes_;
  std::shared_ptr<ByteBuffer> chunk_;
  int64_t used_ = 0;  // bytes of it
};

}  // namespace lowkey
