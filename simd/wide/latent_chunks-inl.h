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

/// What is read after the chunks, in parts that they ask for. Apart from Chunks, whose fields the
/// loop over chunks keeps in registers.
class LaterParts {
 public:
  LaterParts(std::span<const std::span<const std::byte>> all, int64_t n_chunks) : all_(all) {
    int64_t bytes = 0;
    for (const std::span<const std::byte>& stretch : all) bytes += int64_t(stretch.size());
    each_ = std::min(round_up(ceil_div(bytes, n_chunks), Stream<1>::kLine), kMostLater);
  }

  /// The next chunk's: of one stretch, if only its rest.
  void take(Ahead& ahead) {
    if (each_ > 0) take_some(ahead);
  }

 private:
  [[gnu::noinline]] void take_some(Ahead& ahead) {
    while (at_ < all_.size() && n_taken_ >= int64_t(all_[at_].size())) {
      ++at_;
      n_taken_ = 0;
    }
    if (at_ == all_.size()) return;
    const int64_t n = std::min(each_, int64_t(all_[at_].size()) - n_taken_);
    ahead.later.start(all_[at_].data() + n_taken_, n);
    n_taken_ += n;
  }

  std::span<const std::span<const std::byte>> all_;
  int64_t each_ = 0;     // bytes
  size_t at_ = 0;        // stretch
  int64_t n_taken_ = 0;  // bytes of it
};

/// The chunks of the runs that overlap tokens [begin, end), in order. Memory is asked for
/// kLatentAhead of them ahead, at first at once.
class Chunks {
 public:
  Chunks(const LatentRuns& tiles, int begin, int end)
      : tiles_(tiles), end_(end), read_{begin / kTileTokens * kTileTokens}, ask_(read_) {
    for (int i = 0; i < kLatentAhead; ++i) {
      const std::span<const std::byte> first = ask();
      for (size_t at = 0; at < first.size(); at += 64) Stream<1>::ask(first.data() + at);
    }
  }

  bool done() const { return read_.at >= end_; }
  /// Those to come.
  int64_t n_left() const { return ceil_div(end_ - read_.at, kChunkTokens); }

  /// The next one into `chunk`, field by field: copied as a whole, it would have to wait for its
  /// own fields on their way to memory.
  void take(Chunk& chunk) {
    chunk.begin = read_.at;
    chunk.n_tokens = pass(read_, chunk.keys, chunk.values);
    Ahead& ahead = chunk.ahead;
    const std::span<const std::byte> next = ask();
    ahead.next.start(next.empty() ? chunk.data() : next.data(), int64_t(next.size()));
    ahead.later.start(chunk.data(), 0);
  }

 private:
  struct Cursor {
    int at = 0;
    int run = 0, first = 0;  // the present run, and the token that begins it
  };

  /// What is to be asked for next: a chunk, or behind the last one a part of what follows it.
  std::span<const std::byte> ask() {
    if (ask_.at < end_) {
      Chunk chunk;
      pass(ask_, chunk.keys, chunk.values);
      return {chunk.data(), size_t(chunk.bytes())};
    }
    const size_t n = tiles_.next.size(), begin = n * size_t(n_behind_) / kLatentAhead;
    if (n_behind_ == kLatentAhead) return {};
    const size_t end = n * size_t(++n_behind_) / kLatentAhead;
    return tiles_.next.subspan(begin, end - begin);
  }

  /// The parts at a cursor, of one chunk and one run; returns their tokens and leads it past them.
  int pass(Cursor& cursor, PartRun& keys, PartRun& values) const {
    while (cursor.at >= cursor.first + tiles_.runs[cursor.run].n_tokens) {
      cursor.first += tiles_.runs[cursor.run++].n_tokens;
    }
    const KvRun& run = tiles_.runs[cursor.run];
    const int left = cursor.first + run.n_tokens - cursor.at;
    const int n_tokens = std::min({kChunkTokens, end_ - cursor.at, left});
    const int64_t offset = (cursor.at - cursor.first) / kTileTokens * run.tile_stride;
    keys.data = run.k + offset;
    values.data = run.v + offset;
    keys.stride = values.stride = run.tile_stride;
    keys.n_tiles = values.n_tiles = ceil_div(n_tokens, kTileTokens);
    cursor.at += n_tokens;
    return n_tokens;
  }

  const LatentRuns& tiles_;
  int end_;
  Cursor read_, ask_;
  int n_behind_ = 0;  // parts asked for of what is likely next
};

}  // namespace
}  // namespace lowkey::simd::wide
