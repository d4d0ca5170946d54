// What scripts for latent caches are about: a random code and model, and the numbers of tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "engine/attend/attend.h"

namespace lowkey::testing {

template <class T>
T take(Result<T> result) {
  LK_CHECK(result.ok(), result.error().message().c_str());
  return std::move(result).value();
}

/// Bytes of a script, one after another; zeros where it has ended.
class Words {
 public:
  explicit Words(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  bool empty() const { return at_ >= bytes_.size(); }
  uint8_t next() { return empty() ? uint8_t{0} : bytes_[at_++]; }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
};

/// The cache that eight words ask for, of one layer, and the model around it.
struct StoreSetting {
  models::ModelConfig config;
  engine::CacheSpec spec;
  int group = 1;  // query heads per KV head

  explicit StoreSetting(Words& words);
  engine::AttendShape shape() const { return {config.n_heads, config.n_kv_heads, config.head_dim}; }
};

enum class RowKind : uint32_t { kKey = 1, kValue, kQuery };

/// Numbers of one token: the same id, the same numbers. Some are far out of the ordinary.
void fill_row(uint32_t id, RowKind kind, float* row, int64_t n);

/// A stored token's coordinates of one side and KV head.
std::vector<float> stored_latents(const engine::KvCache& cache, simd::LatentSide side, int head,
                                  int64_t position);

/// Whether a lazy cache has not been coded yet.
bool holds_all_exact(const engine::KvCache& cache);

/// Output of the last token's first query head, in double: codes are reconstructed one by one, what
/// is kept exact is taken as it came, or all of it (`exact`).
std::vector<double> plain_read(const StoreSetting& setting, const engine::Context& context,
                               const engine::KvCache& cache, std::span<const uint32_t> ids,
                               bool exact);

}  // namespace lowkey::testing
