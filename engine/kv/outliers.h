// Tokens whose codes would be far coarser than their neighbours': kept exact beside the codes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/kv/tiles.h"

namespace lowkey::engine {

/// The outliers of one layer, head by head, in the order of their positions.
///
/// A head's usual gains are the medians over its first kUsualTokens coded tokens. Later tokens
/// whose key or value gain is at least kFarGain times the usual are kept, as long as no more than
/// `share` of the tokens so far are. All of this follows from the tokens in order, however they
/// were fed.
class OutlierTokens {
 public:
  static constexpr int kUsualTokens = 64;
  static constexpr int kFarGain = 2;

  OutlierTokens() = default;
  /// `exact`: a head's tile of exact tokens. `first`: the first token that is read by its code.
  OutlierTokens(int n_heads, TileShape exact, double share, int64_t first);

  bool enabled() const { return share_ > 0; }
  /// Makes room for whatever positions [begin, end) may add.
  Status prepare(int64_t begin, int64_t end);
  /// Whether the token is to be kept; then its exact copy belongs at slot n(head) - 1 of
  /// store(head). Positions come in order. Gains by their codes (simd/latent_tile.h).
  bool take(int head, int64_t position, uint8_t key_gain, uint8_t value_gain);
  /// Forgets positions n and beyond.
  void truncate(int64_t n);

  int64_t n(int head) const { return int64_t(heads_[size_t(head)].positions.size()); }
  int64_t n() const;
  int64_t bytes() const { return n() * bytes_per_token(); }
  /// Of one head's exact copy and its position.
  int64_t bytes_per_token() const;
  /// Slots of the tokens at positions [begin, end).
  Range slots(int head, int64_t begin, int64_t end) const;
  /// Tiles by slot; the store holds one head.
  TileStore& store(int head) { return heads_[size_t(head)].store; }
  const TileStore& store(int head) const { return heads_[size_t(head)].store; }

 private:
  struct Head {
    TileStore store;
    std::vector<int32_t> positions;
    std::array<std::array<uint8_t, kUsualTokens>, 2> first_gains{};  // of keys, of values
    std::array<int, 2> usual{};                                      // gain codes
  };

  std::vector<Head> heads_;
  TileShape exact_;
  double share_ = 0;
  int64_t first_ = 0;
};

}  // namespace lowkey::engine
