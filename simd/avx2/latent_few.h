// Scores of a few queries: groups one after another, all tiles of a chunk for each, so that what a
// group's width asks for is set up once, and its queries are in registers. The sums of all tiles
// lie in the first-level cache.
#pragma once

#include <algorithm>
#include <utility>

#include "simd/avx2/latent_ops.h"
#include "simd/wide/latent_attend-inl.h"

namespace lowkey::simd::avx2 {
namespace {

template <int kQueries>
class FewScores {
 public:
  FewScores(const wide::PartRun& keys, const wide::ScoreTask& task) : keys_(keys), task_(task) {}

  void run(const wide::WidthRuns& runs, wide::Ahead& ahead) {
    if (task_.queries.n_fine > 0) clear_sums();
    for (const wide::WidthRun* run = runs.run; run < runs.run + runs.n; ++run) {
      wide::with_width(run->width, [&]<int kWidth>() {
        if (run->begin < task_.queries.n_fine) return add_fine<kWidth>(*run, ahead);
        if constexpr (kWidth < LatentOps::kFineWidth) add_run<kWidth>(*run, ahead);
      });
    }
    if (fresh_) settle();
    fresh_ ? finish<false, true>() : has_sums_ ? finish<true, true>() : finish<true, false>();
  }

 private:
  static constexpr int kTiles = wide::kChunkTiles;
  using Float = LatentOps::Float;

  void clear_sums() {
    for (auto& tile : sums_) std::fill(tile, tile + kQueries, LatentOps::sums(0));
    has_sums_ = true;
  }

  const uint8_t* group(const wide::WidthRun& run, int g) const {
    const auto* parts = reinterpret_cast<const uint8_t*>(keys_.data);
    return parts + run.at + (g - run.begin) * latent_group_bytes(run.width);
  }

  template <int kWidth>
  void add_fine(const wide::WidthRun& run, wide::Ahead& ahead) {
    const wide::LatentQueries& lq = task_.queries;
    for (int g = run.begin; g < run.end; ++g) {
      const int c = kLatentGroup * g;
      for (int q = 0; q < kQueries; ++q) {
        const Words whole = LatentOps::query_words(lq.hi[q] + c, lq.lo[q] + c);
        for (int t = 0; t < kTiles; ++t) {
          const auto own = LatentOps::unpack<kWidth>(group(run, g) + t * keys_.stride);
          sums_[t][q] = LatentOps::dot_words(sums_[t][q], own, whole);
        }
      }
      ahead.step<wide::kValueLines>();
    }
  }

  /// Two groups at a time, as long as the sums have room for both.
  template <int kWidth>
  void add_run(const wide::WidthRun& run, wide::Ahead& ahead) {
    const bool* settles = task_.queries.settle;
    for (int g = run.begin; g < run.end;) {
      if (settles[g]) settle();
      const uint8_t* codes = group(run, g);
      const bool fresh = std::exchange(fresh_, false);
      if (kQueries < 4 && g + 1 < run.end && !settles[g + 1]) {
        fresh ? add<kWidth, 2, true>(codes, g) : add<kWidth, 2, false>(codes, g);
        ahead.step<wide::kValueLines>();
        g += 2;
      } else {
        fresh ? add<kWidth, 1, true>(codes, g) : add<kWidth, 1, false>(codes, g);
        g += 1;
      }
      ahead.step<wide::kValueLines>();
    }
  }

  template <int kWidth, int kGroups, bool kFresh>
  void add(const uint8_t* codes, int g) {
    __m256i query[kGroups][kQueries];
    wide::unrolled<kGroups * kQueries>([&](auto i) __attribute__((always_inline)) {
      constexpr int kGroup = i / kQueries, kQuery = i % kQueries;
      const int8_t* four = task_.queries.hi[kQuery] + kLatentGroup * (g + kGroup);
      query[kGroup][kQuery] = LatentOps::broadcast4(four);
    });
#pragma GCC unroll 1
    for (int t = 0; t < kTiles; ++t, codes += keys_.stride) {
      LatentOps::Codes own[kGroups];
      wide::unrolled<kGroups>([&](auto i) __attribute__((always_inline)) {
        own[i] = LatentOps::unpack<kWidth>(codes + i * latent_group_bytes(kWidth));
      });
      wide::unrolled<2 * kQueries>([&](auto i) __attribute__((always_inline)) {
        constexpr int kQuery = i / 2, kPart = i % 2;
        __m256i& pairs = pairs_[t][kQuery].part[kPart];
        const __m256i code = own[0].part[kPart], four = query[0][kQuery];
        __m256i sum = kFresh ? bytes_products(code, four) : add_bytes(pairs, code, four);
        if constexpr (kGroups == 2) sum = add_bytes(sum, own[1].part[kPart], query[1][kQuery]);
        pairs = sum;
      });
    }
  }

  /// Empties the sums of pairs into the others.
  void settle() {
    if (!has_sums_) clear_sums();
    for (int t = 0; t < kTiles && !fresh_; ++t) {
      for (int q = 0; q < kQueries; ++q) LatentOps::settle(pairs_[t][q], sums_[t][q]);
    }
    fresh_ = true;
  }

  /// Scores from both kinds of sums.
  template <bool kPairs, bool kSums>
  void finish() {
    const wide::LatentQueries& lq = task_.queries;
    for (int q = 0; q < kQueries; ++q) {
      const Float scale(lq.scale[q]), offset(lq.offset[q]);
      const __m256i start = _mm256_set1_epi32(128 * lq.start_hi[q] + lq.start_lo[q]);
      float* score = task_.score + q * wide::kChunkTokens;
      const float* before = task_.start.row + q * task_.start.stride;
      for (int i = 0; i < 2 * kTiles; ++i) {
        const int at = i * LatentOps::kLanes;
        __m256i sum = start;
        if (kPairs) sum = _mm256_add_epi32(sum, widened<128>(pairs_[i / 2][q].part[i % 2]));
        if (kSums) sum = _mm256_add_epi32(sum, sums_[i / 2][q].part[i % 2]);
        const Float own = LatentOps::mul_add(_mm256_cvtepi32_ps(sum), scale, offset);
        const Float gain = Float::load_aligned(task_.gain + at);
        LatentOps::mul_add(own, gain, Float::load_aligned(before + at)).store_aligned(score + at);
      }
    }
  }

  const wide::PartRun& keys_;
  const wide::ScoreTask& task_;
  bool fresh_ = true;      // nothing in pairs_ yet
  bool has_sums_ = false;  // sums_ have been written
  LatentOps::Upper pairs_[kTiles][kQueries];
  LatentOps::Sums sums_[kTiles][kQueries];
};

}  // namespace
}  // namespace lowkey::simd::avx2
