// Bytes per token: the one formula that cache, planner and bench use.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lowkey::engine {

struct KvLayout {
  double coded_bytes_per_token = 0;    // all layers and heads; codes, scales, gains and padding
  double exact_bytes_per_token = 0;    // of one token kept exact beside its code
  int64_t n_exact = 0;                 // sinks + window
  double outlier_bytes_per_token = 0;  // most that tokens kept exact by their gain may add
  int64_t version_bytes = 0;           // of a version of an adapted code, over all layers
  int64_t version_tokens = 0;          // between two versions; 0: none
  int64_t max_versions = 0;
  int64_t n_elements = 0;  // cached numbers per token: 2 * layers * KV heads * head size

  /// Of codes alone; KvCache::bits_per_element() counts the outliers of a cache too.
  double bits_per_element() const { return 8.0 * coded_bytes_per_token / double(n_elements); }
  /// Versions that n tokens lead to.
  int64_t n_versions(int64_t n_tokens) const {
    if (version_tokens == 0 || n_tokens == 0) return 0;
    return std::min(max_versions, (n_tokens - 1) / version_tokens);
  }
  int64_t total_bytes(int64_t n_tokens) const {
    return version_bytes * n_versions(n_tokens) +
           int64_t((coded_bytes_per_token + outlier_bytes_per_token) * double(n_tokens) +
                   exact_bytes_per_token * double(std::min(n_tokens, n_exact)));
  }
};

}  // namespace lowkey::engine
