// Plays scripts on a latent cache: blocks are appended, cut off, forked, read; after that the cache
// must hold and answer what a cache would that was filled in one go.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "simd/kernel_set.h"

namespace lowkey::testing {

struct StoreOutcome {
  std::string failure;  // empty: all is as it should be
  int n_forks = 0;
  int n_cuts = 0;
  int n_reads = 0;           // blocks whose attention was compared
  int64_t n_compared = 0;    // stored tokens that were compared
  int64_t n_tokens = 0;      // of the longest branch
  int64_t n_outliers = 0;    // tokens kept exact because of their gain, all branches
  int64_t n_versions = 0;    // of adapted codes, counted every 128 tokens, all branches
  int n_coded_late = 0;      // lazy caches that ran out of bytes
  int64_t n_shared_cut = 0;  // cuts while there were forks
  // Squared distance of reads of one token from plain attention on reconstructed tokens, and of
  // the latter from attention on exact ones.
  double plain_error = 0;
  double code_noise = 0;
};

/// Any bytes are a script: the first eight choose the cache (heads, widths, whether means turn,
/// outliers, laziness, adaptation, sinks and window), then every pair is an action and its
/// argument. `sabotage`: one stored value is falsified, so that a test can see that the comparison
/// bites.
StoreOutcome play_store_script(std::span<const uint8_t> script, const simd::KernelSet& kernels,
                               bool sabotage = false);

}  // namespace lowkey::testing
