#include "models/arch/dimensions.h"

#include <cmath>

namespace lowkey::models::arch {
namespace {

// Far above every published model of these families and low enough that a product of three of
// them fits 64 bits.
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxEmbd = 1 << 17;
constexpr int64_t kMaxHeads = 1024;
constexpr int64_t kMaxHeadDim = 1024;
constexpr int64_t kMaxFf = 1 << 20;
constexpr int64_t kMaxContext = 1 << 24;

Error misfit(const std::string& where, std::string what) {
  return make_error(ErrorCode::kInvalidData, where, std::move(what));
}

}  // namespace

Status read_dimensions(const Source& source, const Keys& keys, ModelConfig& config) {
  LK_ASSIGN(config.n_layers, source.count(keys.n_layers, kMaxLayers));
  LK_ASSIGN(config.n_embd, source.count(keys.n_embd, kMaxEmbd));
  LK_ASSIGN(config.n_heads, source.count(keys.n_heads, kMaxHeads));
  LK_ASSIGN(config.n_kv_heads, source.count(keys.n_kv_heads, kMaxHeads, config.n_heads));
  LK_ASSIGN(const auto head_dim, source.integer(keys.head_dim));
  if (!head_dim && config.n_embd % config.n_heads != 0) {
    return misfit(source.where(), "expected an embedding length that is a multiple of the " +
                                      std::to_string(config.n_heads) + " heads, found " +
                                      std::to_string(config.n_embd));
  }
  const int64_t usual = std::max(1, config.n_embd / config.n_heads);
  LK_ASSIGN(config.head_dim, source.count(keys.head_dim, kMaxHeadDim, usual));
  LK_ASSIGN(config.n_ff, source.count(keys.n_ff, kMaxFf));
  LK_ASSIGN(config.n_context, source.count(keys.n_context, kMaxContext));
  LK_ASSIGN(config.norm_eps, source.positive(keys.norm_eps));
  LK_ASSIGN(config.rope.theta, source.positive(keys.theta, 10000.0));
  config.rope.n_rot = config.head_dim;
  return {};
}

Status check_dimensions(const ModelConfig& config, const std::string& where) {
  if (config.n_heads % config.n_kv_heads != 0) {
    return misfit(where, "expected query heads that are a multiple of the KV heads, found " +
                             std::to_string(config.n_heads) + " and " +
                             std::to_string(config.n_kv_heads));
  }
  if (config.head_dim % 2 != 0) {
    return misfit(where, "expected an even head size, found " + std::to_string(config.head_dim));
  }
  const RopeConfig& rope = config.rope;
  if (rope.n_rot < 2 || rope.n_rot % 2 != 0 || rope.n_rot > config.head_dim) {
    return misfit(where, "expected an even number of rotated coordinates from 2 to " +
                             std::to_string(config.head_dim) + ", found " +
                             std::to_string(rope.n_rot));
  }
  const size_t n_factors = rope.frequency_factors.size();
  if (n_factors != 0 && n_factors != size_t(rope.n_rot) / 2) {
    return misfit(where, "expected " + std::to_string(rope.n_rot / 2) +
                             " frequency factors, found " + std::to_string(n_factors));
  }
  for (const float factor : rope.frequency_factors) {
    if (std::isnormal(factor) && factor > 0) continue;
    return misfit(where,
                  "expected finite positive frequency factors, found " + std::to_string(factor));
  }
  return {};
}

}  // namespace lowkey::models::arch
