// What the turned mean of the keys adds to the scores of a chunk (simd/latent_run.h).
#pragma once

#include "simd/wide/latent_functions-inl.h"

namespace lowkey::simd::wide {
namespace {

static_assert(kChunkTokens == kLatentChunk && kMeanLanes == kLatentStarts);

/// From so many queries on the shares of a block are found chunk by chunk, not query by query.
constexpr int kMeanBlock = 5;

/// The mean of a block of queries on its way through the chunks of a run.
template <class Ops>
class MeanScores {
 public:
  /// `queries` of the mean's, whose chunks end at token `end`.
  [[gnu::noinline]] void prepare(const TurnedMean& mean, Range queries, int64_t end) {
    mean_ = &mean;
    n_queries_ = int(queries.size());
    end_ = end;
    base_ = end;
    rounds_ = kPairsFunctions<Ops>;
    std::fill_n(scale_, kQueryBlock, 0.0f);
    for (int q = 0; q < n_queries_; ++q) turn_to_middle(q, int(queries.begin) + q);
    list_active();
    plain_.prepare(*mean.phases, active_);
    if constexpr (kPairsFunctions<Ops>) {
      if (rounds_) pairs_.prepare(*mean.phases, active_);
    }
    if (n_queries_ < kMeanBlock) return;
    for (int q = 0; q < round_up(n_queries_, kMeanLanes); ++q) {
      auto& lanes = lanes_[q / kMeanLanes];
      for (int i = 0; i < 2 * n_pairs(); ++i) {
        lanes[i][q % kMeanLanes] = q < n_queries_ ? weights_[q][i] : 0.0f;
      }
    }
  }

  /// Fills score [n_queries, kChunkTokens] with what the mean gives in the chunk that begins at
  /// `token`.
  [[gnu::noinline]] void fill(int64_t token, float* score) {
    if (n_queries_ >= kMeanBlock) {
      if (token + kChunkTokens < end_) prefetch_phases(token + kChunkTokens);
      const float* start = mean_->start + token * 2 * n_pairs();
      for (int first = 0, group = 0; first < n_queries_; first += kMeanLanes, ++group) {
        find<LaneOf::kQuery>(start, {lanes_[group][0], kMeanLanes}, scale_ + first, group);
        fill_by<LaneOf::kQuery>({first, std::min(first + kMeanLanes, n_queries_)}, 0, score);
      }
      return;
    }
    fill_by<LaneOf::kChunk>({0, n_queries_}, lane_of(token), score);
  }

 private:
  /// Above this rounding would move scores, in units of log 2, by more than some 0.005.
  static constexpr float kMostRounded = 128;

  int n_pairs() const { return mean_->phases->n_pairs; }
  /// Asks for the phases of the chunk that begins at `token`: they lie far apart in a long table.
  void prefetch_phases(int64_t token) const {
    const int64_t n = 2 * n_pairs();
    for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(mean_->start + token * n + i);
  }
  /// Weights [2 n_pairs] from pair i on, as many as V holds, turned by half a chunk and in units of
  /// log 2; returns what they reach.
  template <class V>
  [[gnu::always_inline]] V turn_pairs(const float* weights, int i, float* out) const {
    constexpr bool kScalar = std::is_same_v<V, float>;
    const auto at = [](const float* p) {
      if constexpr (kScalar)
        return *p;
      else
        return V::load_unaligned(p);
    };
    const auto put = [](V x, float* p) {
      if constexpr (kScalar)
        *p = x;
      else
        x.store_unaligned(p);
    };
    const int n = n_pairs();
    const float* middle = mean_->phases->middle;
    const V log2_e(kLog2E);
    const V a = at(weights + i) * log2_e, b = at(weights + n + i) * log2_e;
    const V c = at(middle + i), s = at(middle + n + i);
    const V cosines = a * c + b * s, sines = b * c - a * s;
    put(cosines, out + i);
    put(sines, out + n + i);
    using std::abs, xsimd::abs;
    return (abs(cosines) + abs(sines)) * at(mean_->phases->reach + i);
  }

  /// The weights of query q of the block, `from` of the mean's.
  void turn_to_middle(int q, int from) {
    using Float = typename Ops::Float;
    const int n = n_pairs();
    const float* own = mean_->weights + from * 2 * n;
    Float sum(0.0f);
    int i = 0;
    for (; i + Ops::kLanes <= n; i += Ops::kLanes) sum += turn_pairs<Float>(own, i, weights_[q]);
    float most = Ops::sum_of(sum) * (1 + 1e-5f) + 1e-20f;
    for (; i < n; ++i) most += turn_pairs<float>(own, i, weights_[q]);
    constant_[q] = mean_->constant[from] * kLog2E;
    // No rounded share, and no sum of all of a query's, is above kOne.
    rounds_ &= most <= kMostRounded;
    scale_[q] = kOne / most;
    unit_[q] = most / (kOne * kOne);
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
    const PhaseLanes starts = starts_from(token);
    for (int q = 0; q < n_queries_; ++q) {
      alignas(64) float scale[kMeanLanes];
      std::fill_n(scale, kMeanLanes, scale_[q]);
      find<LaneOf::kChunk>(weights_[q], starts, scale, q);
    }
    return 0;
  }

  /// The phases of the chunk that begins at `token`, and those behind it; 0 beyond the last.
  PhaseLanes starts_from(int64_t token) {
    const ChunkStarts& listed = mean_->starts;
    if (listed.data && token % kChunkTokens == 0) {
      return {listed.data + token / kChunkTokens, listed.stride};
    }
    const int n = 2 * n_pairs();
    for (int lane = 0; lane < kMeanLanes; ++lane) {
      const int64_t at = token + lane * kChunkTokens;
      for (int i = 0; i < n; ++i) lanes_[0][i][lane] = at < end_ ? mean_->start[at * n + i] : 0.0f;
    }
    return {lanes_[0][0], kMeanLanes};
  }

  /// Shares of a group of queries, or of one in many chunks: number `which`.
  template <LaneOf kLane>
  void find(const float* own, const PhaseLanes& lanes, const float* scale, int which) {
    find_shares<Ops, kLane>(*mean_->phases, active_, own, lanes, shares_[which]);
    if constexpr (kPairsFunctions<Ops>) {
      if (rounds_) round_shares<Ops>(active_, shares_[which], scale, rounded_[which]);
    }
  }

  /// Scores of some queries: of those whose shares are in `lane`, or of a group.
  template <LaneOf kLane>
  void fill_by(Range queries, int64_t lane, float* score) const {
    if constexpr (kPairsFunctions<Ops>) {
      if (rounds_) return sum_all<kLane>(pairs_, rounded_, queries, lane, score);
    }
    sum_all<kLane>(plain_, shares_, queries, lane, score);
  }

  template <LaneOf kLane, class Functions, class Lanes>
  void sum_all(const Functions& functions, const Lanes* shares, Range queries, int64_t lane,
               float* score) const {
    constexpr int kMost = Ops::kMeanQueries;
    const auto some = [&]<int kQueries>(int64_t q) {
      const SharesOf<Lanes, kLane> own =
          kLane == LaneOf::kChunk ? SharesOf<Lanes, kLane>{shares + q, lane}
                                  : SharesOf<Lanes, kLane>{shares + q / kMeanLanes, q % kMeanLanes};
      functions.template sum<kQueries>(own, {constant_ + q, unit_ + q}, score + q * kChunkTokens);
    };
    int64_t q = queries.begin;
    for (; q + kMost <= queries.end; q += kMost) some.template operator()<kMost>(q);
    for (; q < queries.end; ++q) some.template operator()<1>(q);
  }

  const TurnedMean* mean_ = nullptr;
  int n_queries_ = 0;
  int64_t end_ = 0;
  int64_t base_ = 0;  // first token of the chunk of lane 0
  ActivePairs active_;
  alignas(64) float weights_[kQueryBlock][kLatentMaxCoords + 16];
  float constant_[kQueryBlock];
  alignas(64) float scale_[kQueryBlock];  // of rounded shares
  float unit_[kQueryBlock];
  bool rounds_ = false;
  FloatFunctions<Ops> plain_;
  PairedFunctions<Ops> pairs_;
  // Of each group of queries, or of chunks.
  alignas(64) float lanes_[kQueryBlock / kQueryGroup][kLatentMaxCoords][kMeanLanes];
  static constexpr int kShares = std::max(kMeanBlock - 1, kQueryBlock / kQueryGroup);
  Shares shares_[kShares];  // of each group of queries, or of each query
  PairedShares rounded_[kShares];
};

}  // namespace
}  // namespace lowkey::simd::wide
