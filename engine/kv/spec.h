// Which cache a session keeps: a name as users type it, and the tokens kept exact beside it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/view.h"
#include "simd/kv_tile.h"

namespace lowkey::engine {

struct LatentCode;  // engine/kv/latent_code.h

/// What a research code would give back for keys and values of some tokens of one layer, in place.
/// k, v: [n_tokens, n_kv_heads * head_dim], k after RoPE, in the cache's space (turned heads with
/// `hadamard`); `first` is the position of row 0.
using RowCodec =
    std::function<void(int layer, int64_t first, MatrixView<float> k, MatrixView<float> v)>;

/// How the code of a latent cache follows the text (engine/kv/adapt.h).
struct AdaptOptions {
  int every = 0;         // tokens between two versions, a multiple of 128; 0: the code stays
  double rate = 0.5;     // weight of the newest stretch in the next version, 0 to 1
  int max_versions = 8;  // after which the code stays
  bool turns = false;    // bases turn; else means and steps move

  bool operator==(const AdaptOptions&) const = default;
};

struct CacheSpec {
  simd::KvType type = simd::KvType::kF16;
  bool hadamard = false;  // rotate heads before coding: q8_0h, q4_0h
  int n_sinks = 0;        // first tokens, kept exact
  int n_window = 0;       // most recent tokens, kept exact; the current token counts

  std::shared_ptr<const LatentCode> latent;  // set: coded tokens are latents, `type` is unused
  RowCodec codec;  // set: coded tokens pass through it before they are stored as `type`
  std::string codec_name;
  double codec_bits_k = 0.0;  // bits per element that the codec stands for
  double codec_bits_v = 0.0;

  /// Of a latent cache: most tokens of a head, as a share of all, that are kept exact because their
  /// gain is far above the usual (engine/kv/outliers.h).
  double outliers = 0.0;
  /// > 0: everything is kept exact until that would take more bytes than this, then coded.
  int64_t lazy_bytes = 0;
  AdaptOptions adapt;

  bool keeps_exact() const { return n_sinks > 0 || n_window > 0; }
};

/// "f32", "f16", "bf16", "q8_0", "q4_0", "q8_0h", "q4_0h", and the controls "hadamard-k2v2" to
/// "hadamard-k4v4" (block_code.h); an unknown name lists them.
Result<CacheSpec> parse_cache_type(std::string_view name);

std::string cache_name(const CacheSpec& spec);

}  // namespace lowkey::engine
