#include "engine/kv/cache.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace lowkey::engine {

using simd::kTileTokens;
using simd::KvType;

namespace {

std::vector<TileShape> full_shapes(KvType type, int n_heads, int d) {
  const int64_t part = simd::kv_part_bytes(type, d);
  return std::vector<TileShape>(size_t(n_heads), TileShape{part, part});
}

Status check(const models::ModelConfig& config, const CacheSpec& spec) {
  const bool blocks = spec.type == KvType::kQ8_0 || spec.type == KvType::kQ4_0;
  const std::string d = std::to_string(config.head_dim);
  if (!spec.latent && blocks && config.head_dim % 32 != 0) {
    return make_error(ErrorCode::kUnsupported, "--cache " + cache_name(spec),
                      "expected a head size that is a multiple of 32, found " + d);
  }
  if (spec.hadamard && (config.head_dim & (config.head_dim - 1)) != 0) {
    return make_error(ErrorCode::kUnsupported, "--cache " + cache_name(spec),
                      "expected a head size that is a power of two, found " + d);
  }
  if (spec.n_sinks < 0 || spec.n_window < 0) {
    return make_error(ErrorCode::kInvalidArgument, "--sinks, --window", "expected 0 or more");
  }
  return spec.latent ? check_latent_code(*spec.latent, config) : Status();
}

std::vector<TileShape> coded_shapes(const models::ModelConfig& config, const CacheSpec& spec,
                                    int layer) {
  if (spec.latent) return spec.latent->shapes(layer);
  return full_shapes(spec.type, config.n_kv_heads, config.head_dim);
}

KvLayout make_layout(const models::ModelConfig& config, const CacheSpec& spec, KvType exact) {
  KvLayout layout;
  const int64_t n_vectors = int64_t{2} * config.n_layers * config.n_kv_heads;
  layout.n_elements = n_vectors * config.head_dim;
  layout.coded_bytes_per_token = double(n_vectors * simd::kv_row_bytes(spec.type, config.head_dim));
  if (spec.latent) {
    int64_t tile_bytes = 0;
    for (int l = 0; l < config.n_layers; ++l) {
      for (const TileShape& shape : spec.latent->shapes(l)) tile_bytes += shape.bytes();
    }
    layout.coded_bytes_per_token = double(tile_bytes) / kTileTokens;
  } else if (spec.codec) {
    layout.coded_bytes_per_token =
        double(layout.n_elements) * (spec.codec_bits_k + spec.codec_bits_v) / 16.0;
  }
  layout.exact_bytes_per_token = double(n_vectors * simd::kv_row_bytes(exact, config.head_dim));
  layout.n_exact = spec.n_sinks + spec.n_window;
  return layout;
}

}  // namespace

Result<KvCache> KvCache::create(const models::ModelConfig& config, const CacheSpec& spec,
                                int64_t n_context, int n_batch) {
  LK_RETURN_IF_ERROR(check(config, spec));
  KvCache cache;
  cache.spec_ = spec;
  cache.exact_type_ = !spec.latent && spec.type == KvType::kF32 ? KvType::kF32 : KvType::kF16;
  cache.layout_ = make_layout(config, spec, cache.exact_type_);
  cache.n_kv_heads_ = config.n_kv_heads;
  cache.head_dim_ = config.head_dim;
  cache.n_context_ = n_context;
  cache.n_batch_ = n_batch;
  if (spec.hadamard) cache.space_ = hadamard_space(config.head_dim);
  if (spec.latent) {
    cache.latent_space_ = std::make_shared<const LatentSpace>(spec.latent, config.rope);
    cache.space_ = cache.latent_space_;
  }
  const auto exact = full_shapes(cache.exact_type_, config.n_kv_heads, config.head_dim);
  for (int l = 0; l < config.n_layers; ++l) {
    Layer layer;
    layer.coded = TileStore(coded_shapes(config, spec, l), kPageTokens);
    // A few more than the window: a small block is written before its oldest query reads.
    if (spec.n_window > 0) layer.recent = TileStore::ring(exact, spec.n_window + 2 * kTileTokens);
    if (spec.n_sinks > 0) layer.sinks = TileStore::ring(exact, spec.n_sinks);
    cache.layers_.push_back(std::move(layer));
  }
  if (spec.n_window > 0) cache.block_ = TileStore::ring(exact, n_batch + kTileTokens);
  if (spec.codec || (cache.latent_space_ && cache.latent_space_->mean_turns())) {
    const int64_t n = int64_t{2} * n_batch * config.n_kv_heads * config.head_dim;
    LK_ASSIGN(cache.coded_rows_, Buffer<float>::allocate(n, "rows to be coded"));
  }
  return cache;
}

Status KvCache::begin_block(int n) {
  if (n < 1 || n > n_batch_ || n_tokens_ + n > n_context_) {
    return make_error(ErrorCode::kInvalidArgument, "context",
                      "expected at most " + std::to_string(n_context_) + " tokens, found " +
                          std::to_string(n_tokens_ + n) + "; a larger -c makes room");
  }
  for (Layer& layer : layers_) {
    LK_RETURN_IF_ERROR(layer.coded.prepare(n_tokens_, n_tokens_ + n));
    LK_RETURN_IF_ERROR(layer.recent.prepare(0, 1));
    LK_RETURN_IF_ERROR(layer.sinks.prepare(0, 1));
  }
  LK_RETURN_IF_ERROR(block_.prepare(0, 1));
  n_block_ = n;
  block_in_ring_ = n <= kTileTokens;
  return {};
}

void KvCache::commit() {
  n_tokens_ += n_block_;
  n_block_ = 0;
  if (spec_.n_window > 0) {
    exact_from_ = std::max(exact_from_, n_tokens_ - n_retained());
  }
}

int64_t KvCache::n_retained() const { return layers_.front().recent.page_tokens() - kTileTokens; }

KvCache::Source KvCache::coded(int layer) const {
  return {&layers_[size_t(layer)].coded, spec_.type, spec_.latent.get(), layer};
}

int64_t KvCache::recent_begin(int64_t position) const {
  if (spec_.n_window == 0) return position + 1;
  return std::max({position - spec_.n_window + 1, exact_from_, n_sinks()});
}

MatrixView<float> KvCache::copy_rows(MatrixView<float> rows, int64_t offset) {
  const auto copy = matrix(coded_rows_.data() + offset, rows.rows, rows.cols);
  for (int64_t i = 0; i < rows.rows; ++i) std::copy_n(rows.row(i), rows.cols, copy.row(i));
  return copy;
}

void KvCache::write(const Context& context, int layer, const RopeTable& rope, MatrixView<float> k,
                    MatrixView<float> v) {
  MatrixView<float> coded_k = k, coded_v = v;
  if (spec_.codec) {
    coded_k = copy_rows(k, 0);
    coded_v = copy_rows(v, k.rows * k.cols);
    spec_.codec(layer, n_tokens_, coded_k, coded_v);
  }
  if (space_) {
    space_->keys(context, layer, k);
    space_->values(context, layer, v);
  }
  if (latent_space_ && latent_space_->mean_turns()) {
    coded_k = copy_rows(k, 0);
    const int64_t n_rot = rope.n_rot();
    latent_space_->leave_mean(context, layer,
                              matrix<const float>(rope.row(n_tokens_), k.rows, n_rot), coded_k);
  }
  const Source exact{nullptr, exact_type_, nullptr, 0};
  Layer& stores = layers_[size_t(layer)];
  const int64_t n_first = std::min<int64_t>(n_block_, n_sinks() - n_tokens_);
  if (n_first > 0) encode(context, exact, stores.sinks, {k, v, {0, n_first}});
  if (spec_.n_window > 0) {
    encode(context, exact, block_in_ring_ ? stores.recent : block_, {k, v, {0, n_block_}});
  }
  encode(context, coded(layer), stores.coded, {coded_k, coded_v, {0, n_block_}});
}

void KvCache::retain_recent(const Context& context, int layer, MatrixView<float> k,
                            MatrixView<float> v) {
  if (spec_.n_window == 0 || block_in_ring_) return;
  const Source exact{nullptr, exact_type_, nullptr, 0};
  const int64_t begin = std::max<int64_t>(0, n_block_ - n_retained());
  encode(context, exact, layers_[size_t(layer)].recent, {k, v, {begin, n_block_}});
}

void KvCache::encode(const Context& context, const Source& source, TileStore& store,
                     const Rows& block) {
  // Whole tiles go to one thread: neighbours in a tile share bytes.
  const Range positions{n_tokens_ + block.rows.begin, n_tokens_ + block.rows.end};
  const int64_t first_tile = positions.begin / kTileTokens;
  const int64_t n_tiles = (positions.end - 1) / kTileTokens - first_tile + 1;
  context.team->parallel_for(n_tiles, 2, [&](Range tiles, int) {
    for (int64_t tile = first_tile + tiles.begin; tile < first_tile + tiles.end; ++tile) {
      const Range part{std::max(tile * kTileTokens, positions.begin),
                       std::min((tile + 1) * kTileTokens, positions.end)};
      if (source.latent) {
        encode_latents(context, source, store, block, part);
      } else {
        encode_full(context, source, store, block, part);
      }
    }
  });
}

void KvCache::encode_full(const Context& context, const Source& source, TileStore& store,
                          const Rows& block, Range part) const {
  for (int64_t p = part.begin; p < part.end; ++p) {
    const float* k = block.k.row(p - n_tokens_);
    const float* v = block.v.row(p - n_tokens_);
    const int slot = int(p % kTileTokens), d = head_dim_;
    for (int h = 0; h < n_kv_heads_; ++h) {
      context.kernels->encode_k(source.type, k + h * d, d, slot, store.k_part(h, p));
      context.kernels->encode_v(source.type, v + h * d, d, slot, store.v_part(h, p));
    }
  }
}

void KvCache::encode_latents(const Context& context, const Source& source, TileStore& store,
                             const Rows& block, Range part) const {
  const int slot = int(part.begin % kTileTokens);
  const auto rows_of = [&](const MatrixView<float>& x, int head) {
    const float* first = x.row(part.begin - n_tokens_) + head * head_dim_;
    return MatrixView<const float>{first, part.size(), head_dim_, x.stride};
  };
  for (int h = 0; h < n_kv_heads_; ++h) {
    const size_t i = source.latent->index(source.layer, h);
    context.kernels->latent_encode_k(source.latent->k[i].plan(), rows_of(block.k, h), slot,
                                     store.k_part(h, part.begin));
    context.kernels->latent_encode_v(source.latent->v[i].plan(), rows_of(block.v, h), slot,
                                     store.v_part(h, part.begin));
  }
}

void KvCache::truncate(int64_t n) {
  n_tokens_ = std::min(n_tokens_, std::max<int64_t>(n, 0));
  for (Layer& layer : layers_) layer.coded.truncate(n_tokens_);
  // What follows is written anew, exact copies included.
  exact_from_ = std::min(exact_from_, n_tokens_);
}

Result<KvCache> KvCache::fork() const {
  KvCache copy;
  copy.spec_ = spec_;
  copy.layout_ = layout_;
  copy.exact_type_ = exact_type_;
  copy.space_ = space_;
  copy.latent_space_ = latent_space_;
  copy.layers_ = layers_;
  copy.block_ = block_;
  LK_ASSIGN(copy.coded_rows_, Buffer<float>::allocate(coded_rows_.size(), "rows to be coded"));
  copy.n_kv_heads_ = n_kv_heads_;
  copy.head_dim_ = head_dim_;
  copy.n_batch_ = n_batch_;
  copy.n_context_ = n_context_;
  copy.n_tokens_ = n_tokens_;
  copy.exact_from_ = exact_from_;
  return copy;
}

}  // namespace lowkey::engine
