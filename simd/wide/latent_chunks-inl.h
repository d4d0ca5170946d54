// The runs of an attention cut into chunks, and what each chunk's work asks for ahead of time.
#pragma once

#include "simd/latent_run.h"
#include "simd/wide/latent_score-inl.h"

namespace lowkey::simd::wide {
namespace {

/// Tokens [begin, begin + n_tokens) of the runs, begin on a tile; all of one run.
struct Chunk {
  int begin = 0;
  int n_tokens = 0;
  PartRun keys, values;
  Ahead ahead;
  ScoreStart start{nullptr, 0};

  int end() const { return begin + n_tokens; }
  /// From the first part of either side to the end of the last: a tile's parts lie side by side.
  const std::byte* data() const { return std::min(keys.data, values.data); }
  int64_t bytes() const { return keys.n_tiles * keys.stride; }
};

/// Bytes of what comes after all chunks that a chunk asks for at most: as many as of the next
/// chunk.
constexpr int64_t kMostLater = 6 * 1024;

/// The chunks of the runs that overlap tokens [begin, end), in order.
class Chunks {
 public:
  Chunks(const LatentRuns& tiles, int begin, int end)
      : tiles_(tiles),
        at_(begin / kTileTokens * kTileTokens),
        end_(end),
        later_(std::min(int64_t(tiles.later.size()) / ceil_div(end - at_, kChunkTokens),
                        kMostLater)) {}

  bool done() const { return at_ >= end_; }

  /// The next one into `chunk`, field by field: copied as a whole, it would have to wait for its
  /// own fields on their way to memory.
  void take(Chunk& chunk) {
    chunk.n_tokens = here(chunk.keys, chunk.values);
    chunk.begin = at_;
    at_ = chunk.end();
    Ahead& ahead = chunk.ahead;
    if (!done()) {
      Chunk next;
      here(next.keys, next.values);
      ahead.next.start(next.data(), next.bytes());
    } else if (tiles_.next.empty()) {
      ahead.next.start(chunk.data(), 0);
    } else {
      ahead.next.start(tiles_.next.data(), int64_t(tiles_.next.size()));
    }
    if (later_ == 0) {
      ahead.later.start(chunk.data(), 0);
    } else {
      ahead.later.start(tiles_.later.data() + n_taken_++ * later_, later_);
    }
  }

 private:
  /// The parts from at_ on, of one chunk and one run; returns their tokens.
  int here(PartRun& keys, PartRun& values) {
    while (at_ >= first_ + tiles_.runs[run_].n_tokens) first_ += tiles_.runs[run_++].n_tokens;
    const KvRun& run = tiles_.runs[run_];
    const int n_tokens = std::min({kChunkTokens, end_ - at_, first_ + run.n_tokens - at_});
    const int n_tiles = ceil_div(n_tokens, kTileTokens);
    const int64_t offset = (at_ - first_) / kTileTokens * run.tile_stride;
    keys.data = run.k + offset;
    values.data = run.v + offset;
    keys.stride = values.stride = run.tile_stride;
    keys.n_tiles = values.n_tiles = n_tiles;
    return n_tokens;
  }

  const LatentRuns& tiles_;
  int at_, end_;
  int run_ = 0, first_ = 0;  // the present run, and the token that begins it
  int64_t later_;            // bytes of what comes after all chunks, per chunk
  int n_taken_ = 0;
};

}  // namespace
}  // namespace lowkey::simd::wide
