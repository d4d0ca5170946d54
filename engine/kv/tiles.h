// Paged tiles of one layer: in each page, one after another, the runs of all KV heads.
//
// A page of p tokens is [n_heads][p / 16 tiles][K part | V part], so that one head's tokens of a
// page are one stretch of memory for the attention kernel, and whole pages can be shared.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/threads.h"
#include "base/view.h"
#include "simd/kv_tile.h"

namespace lowkey::engine {

constexpr int kPageTokens = 512;
// Stretches of one head's tokens that one memory node owns, and one task of attention reads of a
// very long context.
constexpr int kOwnedTokens = 2048;

/// Bytes of the K part and of the V part of one tile of one head.
struct TileShape {
  int64_t k_bytes = 0;
  int64_t v_bytes = 0;
  int64_t bytes() const { return k_bytes + v_bytes; }
};

/// Memory node that owns a head's stretch of tokens, by the turns of node_turns(). Heads of one
/// stretch go to different nodes, so that short contexts are spread too.
inline int owner_node(const std::vector<int>& turns, int64_t position, int head, int n_heads) {
  return turns[size_t(position / kOwnedTokens * n_heads + head) % turns.size()];
}

class TileStore {
 public:
  TileStore() = default;
  /// One shape per KV head; pages of `page_tokens` (a multiple of 16).
  TileStore(std::vector<TileShape> heads, int page_tokens);
  /// A ring: one page, position p lives at p modulo its size; older tokens are overwritten.
  static TileStore ring(std::vector<TileShape> heads, int n_tokens);

  /// Makes the pages of positions [begin, end) exist, unshared with any fork. With a team of
  /// several memory nodes each head's run of a page is first touched on the node that owns it.
  Status prepare(int64_t begin, int64_t end, Team* team = nullptr);
  /// Gives back pages wholly at or beyond position n, but for one: whoever goes back most likely
  /// goes on from there, and pages that come from the system anew take a fiftieth of a prompt's
  /// time.
  void truncate(int64_t n);
  void clear() { pages_.clear(); }
  /// A second store with the same tokens; pages are shared until one side writes to them.
  TileStore fork() const { return *this; }

  std::byte* k_part(int head, int64_t position);
  std::byte* v_part(int head, int64_t position);

  /// A run that begins with the tile of `begin` and ends at `end` or at the page's end.
  struct Piece {
    simd::KvRun run;
    int64_t first = 0;  // position of the run's token 0
    int64_t end = 0;
  };
  Piece piece(int head, int64_t begin, int64_t end) const;
  /// The memory of up to n tokens of a head from the tile of `position` on, to the page's end at
  /// most; empty where there is no page.
  std::span<const std::byte> stretch(int head, int64_t position, int64_t n) const;

  int page_tokens() const { return page_tokens_; }
  int64_t allocated_bytes() const { return int64_t(pages_.size()) * page_bytes_; }

 private:
  int64_t page_of(int64_t position) const { return is_ring_ ? 0 : position / page_tokens_; }
  int64_t offset(int head, int64_t position) const;
  /// A page at position `first`: a copy of `from`, or zeros.
  Result<ByteBuffer> new_page(int64_t first, const ByteBuffer* from, Team* team) const;

  std::vector<TileShape> heads_;
  std::vector<int64_t> head_offset_;  // of a head's run in a page
  int64_t page_bytes_ = 0;
  int page_tokens_ = kPageTokens;
  bool is_ring_ = false;
  std::vector<std::shared_ptr<ByteBuffer>> pages_;
};

}  // namespace lowkey::engine
