// Into the cache: exact copies, codes, and the outliers among them.
#include <algorithm>

#include "engine/kv/cache.h"
#include "engine/kv/parts.h"
#include "engine/kv/read_exact.h"

namespace lowkey::engine {

using simd::kTileTokens;
using simd::LatentSide;

namespace {

/// Keys as coded, in place of what they do without.
void less_shift(const MatrixView<float>& k, const MatrixView<float>& shift) {
  for (int64_t i = 0; i < k.rows; ++i) {
    for (int64_t c = 0; c < k.cols; ++c) shift.row(i)[c] = k.row(i)[c] - shift.row(i)[c];
  }
}

}  // namespace

MatrixView<float> KvCache::copy_rows(MatrixView<float> rows, int64_t offset) {
  const auto copy = matrix(coded_rows_.data() + offset, rows.rows, rows.cols);
  for (int64_t i = 0; i < rows.rows; ++i) std::copy_n(rows.row(i), rows.cols, copy.row(i));
  return copy;
}

void KvCache::write(const Context& context, int layer, const RopeTable& rope,
                    const KeysValues& rows) {
  const MatrixView<float>&k = rows.k, &v = rows.v;
  if (mean_turns() && !is_exact_) {
    const auto phases = matrix<const float>(rope.row(n_tokens_), k.rows, rope.n_rot());
    latent_space_->enter(context, layer, phases, rows, matrix(coded_rows_.data(), k.rows, k.cols));
  } else if (space_) {
    space_->enter(context, layer, k, v);
  }
  Layer& stores = layers_[size_t(layer)];
  const Rows block{k, v, n_tokens_, {0, n_block_}};
  const int64_t n_first = std::min<int64_t>(n_block_, n_sinks() - n_tokens_);
  const auto keep = [&](TileStore& store, const Rows& rows_of_it) {
    encode(context, exact(store), store, rows_of_it);
  };
  if (n_first > 0) keep(stores.sinks, {k, v, n_tokens_, {0, n_first}});
  if (spec_.n_window > 0) keep(block_in_ring_ ? stores.recent : block_, block);
  if (is_exact_) {
    keep(stores.full, block);
  } else {
    write_codes(context, layer, block);
  }
}

int KvCache::n_sides(int64_t n_rows) const {
  const bool plain = !is_exact_ && !spec_.codec && spec_.adapt.every == 0;
  return latent_space_ && plain && n_rows == 1 ? 2 * n_kv_heads_ : 0;
}

void KvCache::write_side(const Context& context, int layer, const RopeTable& rope,
                         const KeysValues& row, int side) {
  const auto phases = matrix<const float>(rope.row(n_tokens_), 1, rope.n_rot());
  MatrixView<float> shift;
  if (mean_turns()) shift = matrix(coded_rows_.data(), 1, row.k.cols);
  Layer& stores = layers_[size_t(layer)];
  const LatentSpace::HeadSide own{side / 2, side % 2 == 0 ? LatentSide::kK : LatentSide::kV};
  latent_space_->enter_part(context, layer, own, phases, row, shift);
  const Piece piece{{n_tokens_, n_tokens_ + 1}, own};
  Rows coded{row.k, row.v, n_tokens_, {0, 1}};
  const auto keep = [&](TileStore& store) {
    encode_piece(context, exact(store), store, coded, piece);
  };
  if (n_tokens_ < n_sinks()) keep(stores.sinks);
  if (spec_.n_window > 0) keep(stores.recent);
  if (mean_turns() && own.side == LatentSide::kK) {
    less_shift(of_head(row.k, own.head, head_dim_), of_head(shift, own.head, head_dim_));
    coded.k = shift;
  }
  encode_piece(context, {nullptr, spec_.type, spec_.latent.get(), layer}, stores.coded, coded,
               piece);
}

void KvCache::ask_row(int layer, int head) const {
  const Layer& stores = layers_[size_t(layer)];
  const auto ask = [](std::span<const std::byte> bytes) {
    for (size_t i = 0; i < bytes.size(); i += 64) __builtin_prefetch(bytes.data() + i, 1);
  };
  ask(stores.coded.stretch(head, n_tokens_, 1));
  if (spec_.n_window == 0) return;
  // A key goes to every line of its part, a value to a row of it.
  const std::span<const std::byte> tile = stores.recent.stretch(head, n_tokens_, 1);
  const auto row = size_t(simd::kv_row_bytes(exact_type_, head_dim_)), k = kTileTokens * row;
  ask(tile.first(k));
  ask(tile.subspan(k + size_t(n_tokens_ % kTileTokens) * row, row));
}

void KvCache::written(const Context& context, int layer, const KeysValues& row) {
  if (!layers_[size_t(layer)].outliers.enabled()) return;
  keep_outliers(context, layer, {row.k, row.v, n_tokens_, {0, 1}});
}

void KvCache::write_codes(const Context& context, int layer, const Rows& block) {
  MatrixView<float> k = block.k, v = block.v;
  if (mean_turns()) {
    const auto shift = matrix(coded_rows_.data(), k.rows, k.cols);
    less_shift(k, shift);
    k = shift;
  } else if (changes_codes()) {
    k = copy_rows(k, 0);
  }
  if (spec_.codec || spec_.adapt.every > 0) v = copy_rows(v, k.rows * k.cols);
  if (spec_.codec) spec_.codec(layer, block.first, k, v);
  Layer& stores = layers_[size_t(layer)];
  if (stores.versions.enabled()) {
    encode_versions(context, layer, {k, v, block.first, block.rows});
  } else {
    const Source codes{&stores.coded, spec_.type, spec_.latent.get(), layer};
    encode(context, codes, stores.coded, {k, v, block.first, block.rows});
  }
  if (stores.outliers.enabled()) keep_outliers(context, layer, block);
}

void KvCache::encode_versions(const Context& context, int layer, const Rows& block) {
  Layer& stores = layers_[size_t(layer)];
  const int64_t end = block.first + block.rows.end;
  for (int64_t at = block.first + block.rows.begin; at < end;) {
    if (at % spec_.adapt.every == 0) stores.versions.update(context, *spec_.latent, at);
    const int64_t stop = std::min(end, stores.versions.next_boundary(at));
    const Range rows{at - block.first, stop - block.first};
    const MatrixView<float> k = rows_of(block.k, rows), v = rows_of(block.v, rows);
    stores.versions.add(context, {k.data, k.rows, k.cols, k.stride},
                        {v.data, v.rows, v.cols, v.stride}, at);
    Source codes{&stores.coded, spec_.type, spec_.latent.get(), layer};
    codes.version = stores.versions.at(at);
    if (codes.version) codes.version->enter(context, k, v);
    encode(context, codes, stores.coded, {block.k, block.v, block.first, rows});
    at = stop;
  }
}

void KvCache::keep_outliers(const Context& context, int layer, const Rows& block) {
  Layer& stores = layers_[size_t(layer)];
  const LatentCode& code = *spec_.latent;
  const int d = head_dim_;
  const int64_t grain = block.rows.size() < kTileTokens ? n_kv_heads_ : 1;
  context.team->parallel_for(n_kv_heads_, grain, [&](Range heads, int) {
    for (int h = int(heads.begin); h < int(heads.end); ++h) {
      // Codes without a gain byte cannot be hidden.
      if (code.k[code.index(layer, h)].steps.empty()) continue;
      const bool has_values = !code.v[code.index(layer, h)].steps.empty();
      for (int64_t row = block.rows.begin; row < block.rows.end; ++row) {
        const int64_t p = block.first + row;
        std::byte& gain = stores.coded.k_part(h, p)[p % kTileTokens];
        const auto of_value =
            has_values ? uint8_t(stores.coded.v_part(h, p)[p % kTileTokens]) : uint8_t{0};
        if (!stores.outliers.take(h, p, uint8_t(gain), of_value)) continue;
        gain = simd::kLatentHidden;
        const int64_t slot = stores.outliers.n(h) - 1;
        TileStore& store = stores.outliers.store(h);
        const int at = int(slot % kTileTokens);
        context.kernels->encode_k(exact_type_, block.k.row(row) + h * d, d, at,
                                  store.k_part(0, slot));
        context.kernels->encode_v(exact_type_, block.v.row(row) + h * d, d, at,
                                  store.v_part(0, slot));
      }
    }
  });
}

bool KvCache::overflows(int n) const {
  const double bytes = layout_.exact_bytes_per_token * double(n_tokens_ + n);
  return is_exact_ && bytes > double(spec_.lazy_bytes);
}

Status KvCache::code_all(const Context& context, const RopeTable& rope) {
  if (!is_exact_) return {};
  for (Layer& layer : layers_) {
    LK_RETURN_IF_ERROR(layer.coded.prepare(0, n_tokens_, context.team));
    if (layer.outliers.enabled()) LK_RETURN_IF_ERROR(layer.outliers.prepare(0, n_tokens_));
  }
  const int64_t width = int64_t{n_kv_heads_} * head_dim_;
  LK_ASSIGN(Buffer<float> rows, Buffer<float>::allocate(2 * n_batch_ * width, "rows to be coded"));
  is_exact_ = false;
  for (int l = 0; l < int(layers_.size()); ++l) {
    Layer& layer = layers_[size_t(l)];
    for (int64_t first = 0; first < n_tokens_; first += n_batch_) {
      const int64_t n = std::min<int64_t>(n_batch_, n_tokens_ - first);
      const Rows block{
          matrix(rows.data(), n, width), matrix(rows.data() + n * width, n, width), first, {0, n}};
      read_exact(layer.full, exact_type_, first, block.k, block.v, head_dim_);
      if (mean_turns()) {
        latent_space_->shift(context, l, matrix<const float>(rope.row(first), n, rope.n_rot()),
                             matrix(coded_rows_.data(), n, width));
      }
      write_codes(context, l, block);
    }
    layer.full.clear();
  }
  return {};
}

void KvCache::retain_recent(const Context& context, int layer, MatrixView<float> k,
                            MatrixView<float> v) {
  if (spec_.n_window == 0 || block_in_ring_) return;
  Layer& stores = layers_[size_t(layer)];
  const int64_t begin = std::max<int64_t>(0, n_block_ - n_retained());
  encode(context, exact(stores.recent), stores.recent, {k, v, n_tokens_, {begin, n_block_}});
}

void KvCache::encode(const Context& context, const Source& source, TileStore& store,
                     const Rows& block) {
  // Whole tiles go to one thread: neighbours in a tile share bytes.
  const Range positions{block.first + block.rows.begin, block.first + block.rows.end};
  const int64_t first_tile = positions.begin / kTileTokens;
  const int64_t n_tiles = (positions.end - 1) / kTileTokens - first_tile + 1;
  context.team->parallel_for(n_tiles, 2, [&](Range tiles, int) {
    for (int64_t tile = first_tile + tiles.begin; tile < first_tile + tiles.end; ++tile) {
      const Range part{std::max(tile * kTileTokens, positions.begin),
                       std::min((tile + 1) * kTileTokens, positions.end)};
      for (int h = 0; h < n_kv_heads_; ++h) {
        for (const LatentSide side : {LatentSide::kK, LatentSide::kV}) {
          encode_piece(context, source, store, block, {part, {h, side}});
        }
      }
    }
  });
}

void KvCache::encode_piece(const Context& context, const Source& source, TileStore& store,
                           const Rows& block, const Piece& piece) const {
  const Range part = piece.positions;
  const int h = piece.own.head, slot = int(part.begin % kTileTokens);
  const bool keys = piece.own.side == LatentSide::kK;
  const Range of_block{part.begin - block.first, part.end - block.first};
  const auto own = of_head(rows_of(keys ? block.k : block.v, of_block), h, head_dim_);
  const MatrixView<const float> rows{own.data, own.rows, own.cols, own.stride};
  std::byte* out = keys ? store.k_part(h, part.begin) : store.v_part(h, part.begin);
  if (!source.latent) {
    const auto encode = keys ? context.kernels->encode_k : context.kernels->encode_v;
    for (int i = 0; i < int(rows.rows); ++i) {
      encode(source.type, rows.row(i), head_dim_, slot + i, out);
    }
    return;
  }
  const size_t i = source.latent->index(source.layer, h);
  simd::LatentPlan plan = (keys ? source.latent->k : source.latent->v)[i].plan();
  if (source.version) {
    plan.steps = (keys ? source.version->k : source.version->v)[size_t(h)].steps.data();
  }
  const auto encode = keys ? context.kernels->latent_encode_k : context.kernels->latent_encode_v;
  encode(plan, rows, slot, out);
}

}  // namespace lowkey::engine
