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

Status check_adaptation(const CacheSpec& spec) {
  const AdaptOptions& o = spec.adapt;
  const auto expected = [](const char* option, const char* what, const std::string& found) {
    return make_error(ErrorCode::kInvalidArgument, option,
                      std::string("expected ") + what + ", found " + found);
  };
  if (o.every == 0) return {};
  if (!spec.latent) return expected("--adapt", "a latent cache with it", cache_name(spec));
  if (o.every < 0 || o.every % simd::kLatentChunk != 0) {
    return expected("--adapt-every", "a multiple of 128 tokens", std::to_string(o.every));
  }
  if (!(o.rate > 0 && o.rate <= 1)) {
    return expected("--adapt-rate", "more than 0, up to 1", std::to_string(o.rate));
  }
  if (o.max_versions < 1) {
    return expected("--adapt-versions", "1 or more", std::to_string(o.max_versions));
  }
  for (const auto* side : {&spec.latent->k, &spec.latent->v}) {
    for (const LatentSideCode& code : *side) {
      // Some may be 0: a text may use fewer directions than a head has.
      const bool known = code.variances.size() == size_t(code.d) &&
                         std::ranges::any_of(code.variances, [](float x) { return x > 0; });
      if (!known) return expected("--adapt", "a basis with its variances", "one without");
    }
  }
  return {};
}

Status check(const models::ModelConfig& config, const CacheSpec& spec) {
  const bool blocks =
      spec.type == KvType::kQ8_0 || spec.type == KvType::kQ4_0 || (spec.codec && spec.hadamard);
  const std::string d = std::to_string(config.head_dim);
  if (!spec.latent && blocks && config.head_dim % 32 != 0) {
    return make_error(ErrorCode::kUnsupported, "--cache " + cache_name(spec),
                      "expected a head size that is a multiple of 32, found " + d);
  }
  if (spec.hadamard && (config.head_dim & (config.head_dim - 1)) != 0) {
    return make_error(ErrorCode::kUnsupported, "--cache " + cache_name(spec),
                      "expected a head size that is a power of two, found " + d);
  }
  if (!(spec.outliers >= 0 && spec.outliers <= 1) || (spec.outliers > 0 && !spec.latent)) {
    return make_error(ErrorCode::kInvalidArgument, "--outliers",
                      "expected a share from 0 to 1 of a latent cache's tokens, found " +
                          std::to_string(spec.outliers) + " with " + cache_name(spec));
  }
  LK_RETURN_IF_ERROR(check_adaptation(spec));
  if (spec.lazy_bytes < 0) {
    return make_error(ErrorCode::kInvalidArgument, "--kv-budget",
                      "expected 0 or more bytes, found " + std::to_string(spec.lazy_bytes));
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
    layout.version_tokens = spec.adapt.every;
    layout.max_versions = spec.adapt.max_versions;
    for (int l = 0; l < config.n_layers && spec.adapt.every > 0; ++l) {
      layout.version_bytes += LayerVersions::bytes_per_version(*spec.latent, l, spec.adapt.turns);
    }
  } else if (spec.codec) {
    layout.coded_bytes_per_token =
        double(layout.n_elements) * (spec.codec_bits_k + spec.codec_bits_v) / 16.0;
  }
  layout.exact_bytes_per_token = double(n_vectors * simd::kv_row_bytes(exact, config.head_dim));
  layout.n_exact = spec.n_sinks + spec.n_window;
  if (spec.latent && spec.outliers > 0) {
    const double position = double(sizeof(int32_t)) * config.n_layers * config.n_kv_heads;
    layout.outlier_bytes_per_token = spec.outliers * (layout.exact_bytes_per_token + position);
  }
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
  cache.is_exact_ = spec.lazy_bytes > 0;
  for (int l = 0; l < config.n_layers; ++l) cache.add_layer(config, l);
  if (spec.n_window > 0) {
    const auto exact = full_shapes(cache.exact_type_, config.n_kv_heads, config.head_dim);
    cache.block_ = TileStore::ring(exact, n_batch + kTileTokens);
  }
  if (cache.changes_codes()) {
    const int64_t n = int64_t{2} * n_batch * config.n_kv();
    LK_ASSIGN(cache.coded_rows_, Buffer<float>::allocate(n, "rows to be coded"));
  }
  return cache;
}

void KvCache::add_layer(const models::ModelConfig& config, int l) {
  const auto exact = full_shapes(exact_type_, config.n_kv_heads, config.head_dim);
  Layer layer;
  layer.coded = TileStore(coded_shapes(config, spec_, l), kPageTokens);
  if (spec_.lazy_bytes > 0) layer.full = TileStore(exact, kPageTokens);
  // A few more than the window: a small block is written before its oldest query reads.
  if (spec_.n_window > 0) layer.recent = TileStore::ring(exact, spec_.n_window + 2 * kTileTokens);
  if (spec_.n_sinks > 0) layer.sinks = TileStore::ring(exact, spec_.n_sinks);
  if (spec_.latent && spec_.outliers > 0) {
    layer.outliers = OutlierTokens(config.n_kv_heads, exact[0], spec_.outliers, spec_.n_sinks);
  }
  if (spec_.adapt.every > 0) {
    layer.versions = LayerVersions(*spec_.latent, l, spec_.adapt, spec_.n_sinks);
  }
  layers_.push_back(std::move(layer));
}

Status KvCache::begin_block(int n, Team* team) {
  if (n < 1 || n > n_batch_ || n_tokens_ + n > n_context_) {
    return make_error(ErrorCode::kInvalidArgument, "context",
                      "expected at most " + std::to_string(n_context_) + " tokens, found " +
                          std::to_string(n_tokens_ + n) + "; a larger -c makes room");
  }
  for (Layer& layer : layers_) {
    TileStore& all = is_exact_ ? layer.full : layer.coded;
    LK_RETURN_IF_ERROR(all.prepare(n_tokens_, n_tokens_ + n, team));
    if (!is_exact_ && layer.outliers.enabled()) {
      LK_RETURN_IF_ERROR(layer.outliers.prepare(n_tokens_, n_tokens_ + n));
    }
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
  if (is_exact_) return {&layers_[size_t(layer)].full, exact_type_, nullptr, layer};
  return {&layers_[size_t(layer)].coded, spec_.type, spec_.latent.get(), layer};
}

KvCache::Outliers KvCache::outliers(int layer, int head, int64_t begin, int64_t end) const {
  const OutlierTokens& kept = layers_[size_t(layer)].outliers;
  if (!kept.enabled() || kept.n(head) == 0) return {};
  return {{&kept.store(head), exact_type_, nullptr, layer, true}, kept.slots(head, begin, end)};
}

int64_t KvCache::n_outliers() const {
  int64_t n = 0;
  for (const Layer& layer : layers_) n += layer.outliers.n();
  return n;
}

double KvCache::bytes_per_token() const {
  if (n_tokens_ == 0) return layout_.coded_bytes_per_token;
  if (is_exact_) return layout_.exact_bytes_per_token;
  int64_t besides = 0;
  for (const Layer& layer : layers_) besides += layer.outliers.bytes() + layer.versions.bytes();
  return layout_.coded_bytes_per_token + double(besides) / double(n_tokens_);
}

int64_t KvCache::used_bytes() const {
  return int64_t(bytes_per_token() * double(n_tokens_) +
                 layout_.exact_bytes_per_token * double(std::min(n_tokens_, layout_.n_exact)));
}

int64_t KvCache::recent_begin(int64_t position) const {
  if (spec_.n_window == 0) return position + 1;
  return std::max({position - spec_.n_window + 1, exact_from_, n_sinks()});
}

void KvCache::truncate(int64_t n) {
  n_tokens_ = std::min(n_tokens_, std::max<int64_t>(n, 0));
  for (Layer& layer : layers_) {
    layer.coded.truncate(n_tokens_);
    layer.full.truncate(n_tokens_);
    if (layer.outliers.enabled()) layer.outliers.truncate(n_tokens_);
    if (layer.versions.enabled()) layer.versions.truncate(n_tokens_);
  }
  if (n_tokens_ == 0) is_exact_ = spec_.lazy_bytes > 0;
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
  copy.is_exact_ = is_exact_;
  return copy;
}

}  // namespace lowkey::engine
