#include "base/arena.h"

#include <algorithm>

#include "base/view.h"

namespace lowkey {

Result<ArenaBlock> Arena::take(int64_t bytes, const char* what) {
  constexpr int64_t kAlignment = 64, kMostBytes = int64_t{1} << 46;
  if (!chunk_ || bytes < 0 || bytes > chunk_->size() - used_) {
    const bool absurd = bytes < 0 || bytes > kMostBytes;  // refused by reserve()
    LK_ASSIGN(ByteBuffer fresh,
              ByteBuffer::reserve(absurd ? bytes : std::max(bytes, chunk_bytes_), what));
    chunk_ = std::make_shared<ByteBuffer>(std::move(fresh));
    used_ = 0;
  }
  ArenaBlock block;
  block.chunk_ = chunk_;
  block.data_ = chunk_->data() + used_;
  block.size_ = bytes;
  used_ = std::min(chunk_->size(), used_ + round_up(bytes, kAlignment));
  return block;
}

}  // namespace lowkey
