// What the turned mean of the keys adds to the scores of a chunk (simd/latent_run.h).
#pragma once

#include "simd/wide/latent_shares-inl.h"

namespace lowkey::simd::wide {
namespace {

static_assert(kChunkTokens == kLatentChunk);

/// From so many queries on the shares of a block are found chunk by chunk, not query by query.
constexpr int kMeanBlock = 8;

/// Asks for the phases of the chunk that begins at `token`: they lie far apart in a long table.
inline void prefetch_phases(const TurnedMean& mean, int64_t token) {
  const int64_t n = 2 * mean.phases->n_pairs;
  for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(mean.start + token * n + i);
}

/// What kQueries queries take of one function, even or odd, added to their sums; kStride: floats
/// from one query's share to the next.
template <class Ops, int64_t kStride, int kQueries, int kHeld>
[[gnu::always_inline]] inline void add_function(const float* share, const float* function,
                                                typename Ops::Float (&sum)[kQueries][kHeld]) {
  using Float = typename Ops::Float;
  Float value[kHeld];
  unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
    value[v] = Float::load_aligned(function + v * Ops::kLanes);
  });
  unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
    const Float own(share[q * kStride]);
    unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
      sum[q][v] = Ops::mul_add(own, value[v], sum[q][v]);
    });
  });
}

/// The shares and constants of some queries, the first's at these places.
struct QueryShares {
  const float *even, *odd;  // of the first function
  const float* constant;
};

/// Scores of kQueries queries for a chunk, in units of log 2: their shares times the functions.
template <class Ops, int kQueries, int64_t kStride>
void sum_functions(const ChunkPhases& phases, const ActivePairs& active, const QueryShares& own,
                   float* score) {
  using Float = typename Ops::Float;
  constexpr int kHalf = kChunkTokens / 2, kVectors = kHalf / Ops::kLanes;
  constexpr int kHeld = kVectors < 4 ? kVectors : 4;
  for (int first = 0; first < kVectors; first += kHeld) {
    Float even[kQueries][kHeld], odd[kQueries][kHeld];
    unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
      unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
        even[q][v] = Float(own.constant[q]);
        odd[q][v] = Float(0.0f);
      });
    });
    for (int k = 0; k < active.n_functions(); ++k) {
      const int f = k < active.n ? active.of[k] : phases.n_fast + k - active.n;
      const float* function = phases.functions + f * kChunkTokens + first * Ops::kLanes;
      add_function<Ops, kStride>(own.even + k * kMeanLanes, function, even);
      add_function<Ops, kStride>(own.odd + k * kMeanLanes, function + kHalf, odd);
    }
    unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
      unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
        float* middle = score + q * kChunkTokens + kHalf;
        const int at = (first + v) * Ops::kLanes;
        (even[q][v] + odd[q][v]).store_aligned(middle + at);
        Ops::reversed(even[q][v] - odd[q][v]).store_aligned(middle - at - Ops::kLanes);
      });
    });
  }
}

/// The mean of a block of queries on its way through the chunks of a run.
template <class Ops>
class MeanScores {
 public:
  /// `queries` of the mean's; their chunks end at token `end`, the first begins at `begin`.
  void prepare(const TurnedMean& mean, Range queries, Range tokens) {
    mean_ = &mean;
    n_queries_ = int(queries.size());
    end_ = tokens.end;
    base_ = end_;
    if (n_queries_ < kMeanBlock) {
      for (int64_t t = tokens.begin; t < first_behind(tokens.begin); t += kChunkTokens) {
        prefetch_phases(mean, t);
      }
    }
    for (int q = 0; q < n_queries_; ++q) turn_to_middle(q, int(queries.begin) + q);
    list_active();
    if (n_queries_ < kMeanBlock) return;
    for (int i = 0; i < 2 * n_pairs(); ++i) {
      std::fill_n(lanes_.of[i], kMeanLanes, 0.0f);
      for (int q = 0; q < n_queries_; ++q) lanes_.of[i][q] = weights_[q][i];
    }
  }

  /// Fills score [n_queries, kChunkTokens] with what the mean gives in the chunk that begins at
  /// `token`.
  void fill(int64_t token, float* score) {
    if (n_queries_ >= kMeanBlock) {
      const float* start = mean_->start + token * 2 * n_pairs();
      if (token + kChunkTokens < end_) prefetch_phases(*mean_, token + kChunkTokens);
      find_shares<Ops, LaneOf::kQuery>(*mean_->phases, active_, start, lanes_, shares_[0]);
      return fill_by<1>(shares_[0].even[0], shares_[0].odd[0], score);
    }
    const int64_t next_group = token + kMeanLanes * kChunkTokens;
    if (next_group < end_) prefetch_phases(*mean_, next_group);
    const int64_t lane = lane_of(token);
    constexpr int64_t kStride = sizeof(Shares) / sizeof(float);
    fill_by<kStride>(shares_[0].even[0] + lane, shares_[0].odd[0] + lane, score);
  }

 private:
  int n_pairs() const { return mean_->phases->n_pairs; }
  int64_t first_behind(int64_t token) const {
    return std::min<int64_t>(token + kMeanLanes * kChunkTokens, end_);
  }

  /// The weights of query q of the block, `from` of the mean's, turned by half a chunk and in units
  /// of log 2.
  void turn_to_middle(int q, int from) {
    constexpr float kLog2E = 1.44269504f;
    const int n = n_pairs();
    const float *a = mean_->weights + from * 2 * n, *b = a + n;
    const float *c = mean_->phases->middle, *s = c + n;
    for (int i = 0; i < n; ++i) {
      weights_[q][i] = (a[i] * c[i] + b[i] * s[i]) * kLog2E;
      weights_[q][n + i] = (b[i] * c[i] - a[i] * s[i]) * kLog2E;
    }
    constant_[q] = mean_->constant[from] * kLog2E;
  }

  void list_active() {
    using Float = typename Ops::Float;
    // Whole vectors: what lies behind the fast pairs is not looked at.
    alignas(64) float taken[kLatentMaxCoords / 2 + Ops::kLanes];
    const int n = n_pairs(), n_fast = mean_->phases->n_fast;
    for (int f = 0; f < n_fast; f += Ops::kLanes) {
      Float sum(0.0f);
      for (int q = 0; q < n_queries_; ++q) {
        sum += xsimd::abs(Float::load_aligned(weights_[q] + f));
        sum += xsimd::abs(Float::load_unaligned(weights_[q] + n + f));
      }
      sum.store_aligned(taken + f);
    }
    active_.list(taken, n_fast);
  }

  /// The lane of the chunk that begins at `token`. Chunks follow one another at even distances but
  /// where runs end; shares are found for as many as there are lanes.
  int64_t lane_of(int64_t token) {
    const int64_t behind = token - base_;
    if (behind >= 0 && behind < kMeanLanes * kChunkTokens && behind % kChunkTokens == 0) {
      return behind / kChunkTokens;
    }
    base_ = token;
    const int64_t row = 2 * n_pairs();
    const int n_lanes = int(ceil_div(first_behind(token) - token, kChunkTokens));
    transpose(mean_->start + token * row, kChunkTokens * row, n_lanes);
    for (int q = 0; q < n_queries_; ++q) {
      find_shares<Ops, LaneOf::kChunk>(*mean_->phases, active_, weights_[q], lanes_, shares_[q]);
    }
    return 0;
  }

  /// Rows of phases, `stride` floats apart, to lanes; lanes without a row count as 0.
  void transpose(const float* rows, int64_t stride, int n_rows) {
    const int n = 2 * n_pairs();
    for (int lane = 0; lane < kMeanLanes; lane += 4) {
      int i = 0;
      for (; i + 4 <= n; i += 4) {
        Four r[4] = {};
        for (int k = 0; k < 4 && lane + k < n_rows; ++k) {
          std::memcpy(&r[k], rows + (lane + k) * stride + i, sizeof(Four));
        }
        const Four low[2] = {__builtin_shufflevector(r[0], r[1], 0, 4, 1, 5),
                             __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5)};
        const Four high[2] = {__builtin_shufflevector(r[0], r[1], 2, 6, 3, 7),
                              __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7)};
        const Four out[4] = {__builtin_shufflevector(low[0], low[1], 0, 1, 4, 5),
                             __builtin_shufflevector(low[0], low[1], 2, 3, 6, 7),
                             __builtin_shufflevector(high[0], high[1], 0, 1, 4, 5),
                             __builtin_shufflevector(high[0], high[1], 2, 3, 6, 7)};
        for (int k = 0; k < 4; ++k) std::memcpy(lanes_.of[i + k] + lane, &out[k], sizeof(Four));
      }
      for (; i < n; ++i) {
        for (int k = lane; k < lane + 4; ++k)
          lanes_.of[i][k] = k < n_rows ? rows[k * stride + i] : 0;
      }
    }
  }

  template <int64_t kStride>
  void fill_by(const float* even, const float* odd, float* score) const {
    constexpr int kMost = Ops::kMeanQueries;
    const auto own = [&](int q) {
      return QueryShares{even + q * kStride, odd + q * kStride, constant_ + q};
    };
    int q = 0;
    for (; q + kMost <= n_queries_; q += kMost, score += kMost * kChunkTokens) {
      sum_functions<Ops, kMost, kStride>(*mean_->phases, active_, own(q), score);
    }
    for (; q < n_queries_; ++q, score += kChunkTokens) {
      sum_functions<Ops, 1, kStride>(*mean_->phases, active_, own(q), score);
    }
  }

  const TurnedMean* mean_ = nullptr;
  int n_queries_ = 0;
  int64_t end_ = 0;
  int64_t base_ = 0;  // first token of the chunk of lane 0
  ActivePairs active_;
  alignas(64) float weights_[kQueryBlock][kLatentMaxCoords + 16];
  float constant_[kQueryBlock];
  PhaseLanes lanes_;               // weights of queries, or phases of chunks
  Shares shares_[kMeanBlock - 1];  // of all queries, or of each
};

}  // namespace
}  // namespace lowkey::simd::wide
