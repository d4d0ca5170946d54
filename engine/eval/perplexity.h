// Perplexity by llama-perplexity's convention, and the divergence of one cache from another,
// measured on the same text in the same run.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace lowkey::engine {

struct PerplexityOptions {
  CacheSpec cache;          // for perplexity()
  int64_t n_context = 512;  // tokens per chunk; positions from n_context / 2 on are scored
  int n_chunks = 0;         // 0: as many as the text gives
  int n_batch = 512;
  std::optional<int32_t> bos;         // put at the start of each chunk, if the model wants one
  std::optional<CacheSpec> baseline;  // set: also measure the divergence from this cache
  Precision baseline_precision = Precision::kDefault;
  /// Given the (first) cache's logits [n, n_vocab] of all scored positions in order; an error
  /// stops.
  std::function<Status(MatrixView<const float>)> on_logits;
  /// After each chunk: chunks done, chunks in all, the (first) cache's perplexity so far; false
  /// stops.
  std::function<bool(int done, int total, double ppl)> progress;
  /// Asked after each block of each cache: true stops. A chunk of a long context takes minutes.
  std::function<bool()> stopped;
};

/// Divergence of a cache's next-token distribution from the baseline's, over positions.
struct Divergence {
  double mean = 0, median = 0, p99 = 0, p999 = 0;  // KL divergence, nats
  double mean_stderr = 0;
  double rms_delta_p = 0;  // of the probability of the true token
  double same_top = 0;     // share of positions with the same most likely token
  double baseline_ppl = 0;
};

struct PerplexityResult {
  double ppl = 0;
  double ppl_stderr = 0;
  int n_chunks = 0;
  int64_t n_scored = 0;
  std::vector<float> nll;  // [n_scored], nats, in order
  std::optional<Divergence> divergence;
  int64_t exact_tokens = 0;       // sinks and window of a full chunk
  int64_t kv_bytes_total = 0;     // at the end of a chunk
  double kv_bytes_per_token = 0;  // then, mean over chunks; without sinks and window
  int64_t n_outliers = 0;  // over layers, KV heads and chunks: kept exact because of their gain
  double seconds = 0;      // of all caches that ran together
};

Result<PerplexityResult> perplexity(const Engine& engine, std::span<const int32_t> tokens,
                                    const PerplexityOptions& options);

/// The same of several caches, against one baseline that runs once for all of them: results in the
/// order of `caches`, each what perplexity() gives.
Result<std::vector<PerplexityResult>> perplexities(const Engine& engine,
                                                   std::span<const int32_t> tokens,
                                                   const PerplexityOptions& options,
                                                   std::span<const CacheSpec> caches);

/// Perplexity and its standard error of some negative log-likelihoods.
struct PerplexityEstimate {
  double ppl = 0, ppl_stderr = 0;
};
PerplexityEstimate estimate_perplexity(std::span<const float> nll);

}  // namespace lowkey::engine
