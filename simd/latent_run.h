// What attention on a latent cache reads: runs of tiles, how they are coded, and the mean that keys
// lost before they were coded.
//
// Keys turn with their position, and their mean with them: k_n - R_n mu codes better than k_n. What
// was taken away is owed to the scores: q^T R_n mu = constant + sum_i w_i phase_i(n), where
// phase(n) = cos [n_pairs], then sin [n_pairs], of position n, and w depends on q and mu only.
// Within a chunk of tokens a phase is a fixed function of the distance from the chunk's middle, the
// same for all chunks, layers and heads; slow pairs share a few polynomials. Functions are even or
// odd about the middle, so that half a chunk of them gives a whole one.
#pragma once

#include <span>

#include "base/view.h"
#include "simd/latent_tile.h"

namespace lowkey::simd {

/// Tokens that the kernels take at a time; runs begin on a multiple of it after the first.
constexpr int kLatentChunk = 128;
/// Chunks that they ask memory for ahead of the one in work: one is read in less time than its last
/// lines take to come.
constexpr int kLatentAhead = 2;
/// Chebyshev polynomials that carry the slow pairs over a chunk. Half a chunk may turn a slow pair
/// by kSlowTurn radians: the first term left out is then below J_8(2) = 2.3e-5.
constexpr int kSlowPolynomials = 8;
constexpr double kSlowTurn = 2.0;

/// The functions of a chunk. Pairs come by falling frequency, the first n_fast turn too fast for
/// polynomials. Distances from the middle: (kLatentChunk - 1) / 2 tokens to either side.
struct ChunkPhases {
  int n_pairs = 0;
  int n_fast = 0;
  // [n_fast + kSlowPolynomials / 2, 2, kLatentChunk / 2], for the second half's tokens: cos and sin
  // of a fast pair's angle from the middle, then T_2j and T_2j+1 of 2 distance / kLatentChunk
  const float* functions = nullptr;
  // [2, n_slow(), kSlowPolynomials / 2]: the even polynomials that make up cos of each slow
  // pair, then the odd ones that make up sin
  const float* slow = nullptr;
  // [2 n_pairs]: the phases of half a chunk, kLatentChunk - 1 halves
  const float* middle = nullptr;
  // [n_pairs]: at most so much of a pair's weights, |a| + |b|, goes into functions that are not
  // constant in a chunk, all of them together
  const float* reach = nullptr;

  int n_slow() const { return n_pairs - n_fast; }
  int n_function_pairs() const { return n_fast + kSlowPolynomials / 2; }
};

/// Phases of the first tokens of chunks side by side: phase i of the k-th chunk at data[i * stride
/// + k]. Chunks beyond the last token, kLatentStarts of them, are there too, with any values.
struct ChunkStarts {
  const float* data = nullptr;  // nullptr: not at hand
  int64_t stride = 0;
};
constexpr int kLatentStarts = 16;

/// The turned mean of a head's keys, as some queries meet it.
struct TurnedMean {
  const ChunkPhases* phases = nullptr;
  const float* start = nullptr;     // phases of the runs' tokens in order: [.., 2 n_pairs]
  const float* weights = nullptr;   // [n_queries, 2 n_pairs], times the softmax scale as q is
  const float* constant = nullptr;  // [n_queries]: of what does not turn
  ChunkStarts starts;               // of the runs' tokens 0, kLatentChunk, ..
};

/// Runs that follow one another; each but the last holds a multiple of kLatentChunk tokens.
/// Ranges of queries count from the first run's first token.
struct LatentRuns {
  LatentPlan k, v;
  const KvRun* runs = nullptr;
  int n_runs = 0;
  const TurnedMean* mean = nullptr;  // nullptr: keys kept all they had
  // What will likely be attended to next, kLatentAhead chunks at most: asked for together with the
  // last ones, so that whoever comes next need not wait for memory.
  std::span<const std::byte> next = {};
  // What whoever attends will read from memory when it is done with these runs, in that order:
  // asked for all along, since attention on them leaves memory time to spare.
  std::span<const std::span<const std::byte>> later = {};
};

}  // namespace lowkey::simd
