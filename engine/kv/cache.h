// The KV cache of one sequence: coded tokens in paged tiles, and exact ones (sinks, recent window)
// beside them in the same space.
//
// A token is coded when it is written; which copy a query reads depends only on the distance, so a
// block of tokens sees exactly what token-by-token decoding would see.
#pragma once

#include <memory>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "engine/context.h"
#include "engine/decoder/rope_table.h"
#include "engine/kv/latent_space.h"
#include "engine/kv/layout.h"
#include "engine/kv/outliers.h"
#include "engine/kv/source.h"
#include "engine/kv/space.h"
#include "engine/kv/spec.h"
#include "engine/kv/tiles.h"
#include "models/config.h"

namespace lowkey::engine {

class KvCache {
 public:
  /// At most `n_batch` tokens are written at a time, n_context in all.
  static Result<KvCache> create(const models::ModelConfig& config, const CacheSpec& spec,
                                int64_t n_context, int n_batch);

  int64_t n_tokens() const { return n_tokens_; }
  int64_t n_context() const { return n_context_; }
  const CacheSpec& spec() const { return spec_; }
  const KvLayout& layout() const { return layout_; }

  /// Makes room for n more tokens; write() and attention then work on positions
  /// [n_tokens(), n_tokens() + n), until commit(). `team`: whose threads will read them.
  Status begin_block(int n, Team* team = nullptr);
  void commit();

  /// Rows of keys (after RoPE) and values, [n, n_kv_heads * head_dim].
  using KeysValues = LatentSpace::Rows;
  /// Codes the block's rows of one layer; they are carried into the cache's space in place.
  void write(const Context& context, int layer, const RopeTable& rope, const KeysValues& rows);
  /// The same of a single row in n_sides() parts (0: by write() alone) that any threads take, then
  /// written(). ask_row(): asks memory for what both sides of a head will write.
  int n_sides(int64_t n_rows) const;
  void write_side(const Context& context, int layer, const RopeTable& rope, const KeysValues& row,
                  int side);
  void ask_row(int layer, int head) const;
  void written(const Context& context, int layer, const KeysValues& row);
  /// Of a lazy cache: whether the next n tokens no longer fit in its bytes as exact ones.
  bool overflows(int n) const;
  /// Codes everything that a lazy cache holds exact so far; between blocks only.
  Status code_all(const Context& context, const RopeTable& rope);

  /// After the layer's attention: keeps the block's last tokens of k, v (as write() left them)
  /// exact for the blocks to come.
  void retain_recent(const Context& context, int layer, MatrixView<float> k, MatrixView<float> v);

  /// Forgets positions n and beyond. Exact copies reach back a window and one tile from where the
  /// cache once ended; where more is cut off, older tokens of the window are read by their codes.
  void truncate(int64_t n);
  /// An independent cache with the same tokens; full pages are shared until written to.
  Result<KvCache> fork() const;

  /// Bytes that the tokens now cached take, exact copies included.
  int64_t used_bytes() const;
  /// Bytes per token as cached now: codes and outliers, without sinks and window. Of an empty cache
  /// what the codes will take.
  double bytes_per_token() const;
  double bits_per_element() const { return 8.0 * bytes_per_token() / double(layout_.n_elements); }
  /// Tokens kept exact because of their gain, over all layers and heads.
  int64_t n_outliers() const;

  // What attention reads (engine/attend).
  using Source = CacheSource;
  Source coded(int layer) const;
  /// Which tokens of coded() are of which version.
  const LayerVersions& versions(int layer) const { return layers_[size_t(layer)].versions; }
  using Outliers = OutlierSource;
  Outliers outliers(int layer, int head, int64_t begin, int64_t end) const;
  Source sinks(int layer) const { return exact(layers_[size_t(layer)].sinks); }
  Source recent(int layer) const { return exact(layers_[size_t(layer)].recent); }
  Source block() const { return exact(block_); }
  /// First position from which a query at `position` reads exact recent tokens.
  int64_t recent_begin(int64_t position) const;
  /// The block's own exact tokens are in block() from this position on; before it, in recent().
  int64_t block_begin() const { return block_in_ring_ ? n_tokens_ + n_block_ : n_tokens_; }
  const KvSpace* space() const { return space_.get(); }
  const LatentSpace* latent_space() const { return latent_space_.get(); }  // or nullptr
  int64_t n_sinks() const { return spec_.n_sinks; }

 private:
  struct Layer {
    TileStore coded, sinks, recent;
    TileStore full;  // of a lazy cache that is still exact: all tokens
    OutlierTokens outliers;
    LayerVersions versions;
  };
  struct Rows {
    MatrixView<float> k, v;  // in the cache's space
    int64_t first;           // position of row 0
    Range rows;              // which of them
  };
  void add_layer(const models::ModelConfig& config, int layer);
  Source exact(const TileStore& store) const { return {&store, exact_type_, nullptr, 0}; }
  /// Codes rows and keeps their outliers. Where the means of keys turn, coded_rows_ begins with
  /// what they come to in the cache's space.
  void write_codes(const Context& context, int layer, const Rows& block);
  bool mean_turns() const { return latent_space_ && latent_space_->mean_turns(); }
  /// Codes latents of an adapted layer, stretch by stretch.
  void encode_versions(const Context& context, int layer, const Rows& block);
  void keep_outliers(const Context& context, int layer, const Rows& block);
  /// Whether codes are made of something else than what exact copies hold.
  bool changes_codes() const { return spec_.codec || spec_.adapt.every > 0 || mean_turns(); }
  /// A copy of `rows` in coded_rows_, at `offset`.
  MatrixView<float> copy_rows(MatrixView<float> rows, int64_t offset);
  void encode(const Context& context, const Source& source, TileStore& store, const Rows& block);
  /// Last tokens whose exact copies outlive a block: the window and a tile more to go back by.
  int64_t n_retained() const;
  struct Piece {
    Range positions;  // in one tile
    LatentSpace::HeadSide own;
  };
  void encode_piece(const Context& context, const Source& source, TileStore& store,
                    const Rows& block, const Piece& piece) const;

  CacheSpec spec_;
  KvLayout layout_;
  simd::KvType exact_type_ = simd::KvType::kF16;
  std::shared_ptr<const KvSpace> space_;
  std::shared_ptr<const LatentSpace> latent_space_;  // the same, where it is one
  std::vector<Layer> layers_;
  TileStore block_;           // exact tokens of the block in work, of the layer in work
  Buffer<float> coded_rows_;  // keys and values as coded, where they differ from the exact ones
  int n_kv_heads_ = 0;
  int head_dim_ = 0;
  int n_batch_ = 0;
  int64_t n_context_ = 0;
  int64_t n_tokens_ = 0;
  int n_block_ = 0;
  bool block_in_ring_ = true;
  int64_t exact_from_ = 0;  // older recent tokens were overwritten in the ring
  bool is_exact_ = false;   // lazy, and not yet coded
};

}  // namespace lowkey::engine
