#include "engine/kv/tiles.h"

#include <algorithm>
#include <cstring>

namespace lowkey::engine {

using simd::kTileTokens;

// Larger pages come from the system as the tokens reach them: a step that begins a page in every
// layer would clear many megabytes at once.
constexpr int64_t kLargePage = int64_t{64} << 10;

TileStore::TileStore(std::vector<TileShape> heads, int page_tokens)
    : heads_(std::move(heads)), page_tokens_(page_tokens) {
  for (const TileShape& head : heads_) {
    head_offset_.push_back(page_bytes_);
    page_bytes_ += round_up(head.bytes() * (page_tokens_ / kTileTokens), 64);
  }
  // A layer of which nothing is stored has pages all the same, so that runs point somewhere.
  page_bytes_ = std::max<int64_t>(page_bytes_, 64);
}

TileStore TileStore::ring(std::vector<TileShape> heads, int n_tokens) {
  TileStore store(std::move(heads), int(round_up(n_tokens, kTileTokens)));
  store.is_ring_ = true;
  return store;
}

Result<ByteBuffer> TileStore::new_page(int64_t first, const ByteBuffer* from, Team* team) const {
  const bool one_node = is_ring_ || !team || team->plan().n_nodes == 1;
  if (one_node && (from || page_bytes_ < kLargePage)) {
    LK_ASSIGN(ByteBuffer page, ByteBuffer::allocate(page_bytes_, "KV cache"));
    if (from) std::memcpy(page.data(), from->data(), size_t(page_bytes_));
    return page;
  }
  LK_ASSIGN(ByteBuffer page, ByteBuffer::reserve(page_bytes_, "KV cache"));
  if (one_node) return page;
  const ThreadPlan& plan = team->plan();
  const std::vector<int> turns = node_turns(plan);
  const int n_heads = int(heads_.size());
  team->run([&](int thread) {
    const int node = plan.node_of[size_t(thread)];
    if (thread > 0 && plan.node_of[size_t(thread) - 1] == node) return;  // one of a node
    for (int h = 0; h < n_heads; ++h) {
      if (owner_node(turns, first, h, n_heads) != node) continue;
      const int64_t begin = head_offset_[size_t(h)];
      const int64_t end = h + 1 < n_heads ? head_offset_[size_t(h) + 1] : page_bytes_;
      if (from) {
        std::memcpy(page.data() + begin, from->data() + begin, size_t(end - begin));
      } else {
        std::memset(page.data() + begin, 0, size_t(end - begin));
      }
    }
  });
  return page;
}

Status TileStore::prepare(int64_t begin, int64_t end, Team* team) {
  if (begin >= end || page_bytes_ == 0) return {};
  const int64_t last = page_of(end - 1);
  for (int64_t i = is_ring_ ? 0 : begin / page_tokens_; i <= last; ++i) {
    if (i >= int64_t(pages_.size())) pages_.resize(size_t(i) + 1);
    std::shared_ptr<ByteBuffer>& page = pages_[size_t(i)];
    if (page && page.use_count() == 1) continue;
    LK_ASSIGN(ByteBuffer fresh, new_page(i * page_tokens_, page.get(), team));
    page = std::make_shared<ByteBuffer>(std::move(fresh));
  }
  return {};
}

void TileStore::truncate(int64_t n) {
  if (is_ring_) return;
  const size_t kept = size_t(ceil_div(n, page_tokens_)) + 1;
  if (kept < pages_.size()) pages_.resize(kept);
}

int64_t TileStore::offset(int head, int64_t position) const {
  const int64_t tile = position % page_tokens_ / kTileTokens;
  return head_offset_[size_t(head)] + tile * heads_[size_t(head)].bytes();
}

std::byte* TileStore::k_part(int head, int64_t position) {
  return pages_[size_t(page_of(position))]->data() + offset(head, position);
}

std::byte* TileStore::v_part(int head, int64_t position) {
  return k_part(head, position) + heads_[size_t(head)].k_bytes;
}

TileStore::Piece TileStore::piece(int head, int64_t begin, int64_t end) const {
  const int64_t first = begin / kTileTokens * kTileTokens;
  const int64_t stop = std::min(end, (begin / page_tokens_ + 1) * page_tokens_);
  const TileShape& shape = heads_[size_t(head)];
  const std::byte* tile = pages_[size_t(page_of(begin))]->data() + offset(head, first);
  return {{tile, tile + shape.k_bytes, shape.bytes(), int(stop - first)}, first, stop};
}

std::span<const std::byte> TileStore::stretch(int head, int64_t position, int64_t n) const {
  const int64_t page = page_of(position);
  if (page >= int64_t(pages_.size()) || !pages_[size_t(page)]) return {};
  const simd::KvRun run = piece(head, position, position + n).run;
  return {std::min(run.k, run.v), size_t(ceil_div(run.n_tokens, kTileTokens) * run.tile_stride)};
}

}  // namespace lowkey::engine
