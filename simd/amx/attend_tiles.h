// Flash attention of many queries on matrix tiles: 32 queries by 32 tokens, or by 32 coordinates
// of values, at a time. Contract: simd/kernel_set.h; chunks of tokens as in wide/attend-inl.h.
#pragma once

#include <algorithm>

#include "simd/amx/attend_weights.h"
#include "simd/avx512/ops.h"
#include "simd/wide/attend-inl.h"

namespace lowkey::simd::amx {
namespace {

template <class Unit>
class AttendKernel {
 public:
  template <KvType kType>
  void run(const KvRun& run, const QueryBlock& queries, const AttendState& state) {
    const int most = kQueryElements / round_up(queries.d_k, kStepDims);
    for (int begin = 0; begin < queries.n_queries; begin += most) {
      const QueryBlock block = queries.part({begin, std::min(begin + most, queries.n_queries)});
      const AttendState own = state.from(begin, queries.d_v);
      scratch_.take_queries(block);
      const Range seen = wide::seen_tokens(block, run.n_tokens);
      wide::for_chunks(run, seen, [&](const KvRun& chunk, int token, int64_t) {
        scratch_.template take_chunk<kType>(chunk, {seen.begin - token, seen.end - token});
        attend_chunk({token, token + chunk.n_tokens}, block, own);
      });
    }
  }

 private:
  void attend_chunk(Range chunk, const QueryBlock& queries, const AttendState& state) {
    const int n_groups = ceil_div(queries.n_queries, kGroupQueries);
    for (int g = 0; g < n_groups; ++g) {
      const Range own = part_of(queries.n_queries, g, n_groups);
      attend_group(chunk, queries.part(own), state.from(int(own.begin), queries.d_v),
                   int(own.begin));
    }
  }

  /// Queries from `first` on of those in the scratch.
  void attend_group(Range chunk, const QueryBlock& queries, const AttendState& state, int first) {
    const int n = queries.n_queries, d = queries.d_v;
    const auto& seen = weights_.seen = wide::seen_by_group<kGroupQueries>(queries, 0, n, chunk);
    if (seen.begin >= seen.end) return;
    weights_.tokens = {seen.begin / kStepTokens * kStepTokens, round_up(seen.end, kStepTokens)};
    unit_.configure(std::min(n, kRowGroup), std::max(n - kRowGroup, 1));
    const auto products = [&]<int kGroups>() {
      score<kGroups>(first);
      for (int i = 0; i < n; i += kRowGroup) {
        RowWeights::weigh(weights_, i, std::min(n - i, kRowGroup), state.from(i, d), d);
      }
      mix<kGroups>(state.out);
    };
    if (n > kRowGroup) return products.template operator()<2>();
    products.template operator()<1>();
  }

  template <int kGroups>
  void score(int first) {
    const int stride = scratch_.q_stride;
    for (int64_t t = weights_.tokens.begin; t < weights_.tokens.end; t += kStepTokens) {
      unit_.template start<kGroups, 2>();
      for (int c = 0; c < stride; c += kStepDims) {
        const int64_t at = t * stride + c * kTileTokens, next = at + stride * kTileTokens;
        multiply_parts<kGroups, 2>(unit_, scratch_.q.at(first * stride + c, stride),
                                   scratch_.k.at(at), scratch_.k.at(next));
      }
      unit_.template store_sums<kGroups, 2>(weights_.score[0] + t, wide::kChunkTokens);
    }
  }

  template <int kGroups>
  void mix(float* out) {
    const int d = scratch_.d_v;
    int c = 0;
    for (; c + 32 <= d; c += 32) mix_columns<kGroups, 2>(out, c);
    if (c < d) mix_columns<kGroups, 1>(out, c);
  }

  template <int kGroups, int kPanels>
  void mix_columns(float* out, int c) {
    const int d = scratch_.d_v;
    unit_.template load_sums<kGroups, kPanels>(out + c, d);
    for (int64_t t = weights_.tokens.begin; t < weights_.tokens.end; t += kStepTokens) {
      const int64_t at = t * d + c * kStepTokens;
      multiply_parts<kGroups, kPanels>(unit_, weights_.weight.at(t, wide::kChunkTokens),
                                       scratch_.v.at(at), scratch_.v.at(at + kTileElements));
    }
    unit_.template store_sums<kGroups, kPanels>(out + c, d);
  }

  Unit unit_;
  AttendScratch scratch_;
  GroupWeights weights_;
};

template <class Unit>
[[gnu::noinline]] void attend_many(KvType type, const KvRun& run, const QueryBlock& queries,
                                   const AttendState& state) {
  AttendKernel<Unit> kernel;
  switch (type) {
    case KvType::kF16:
      return kernel.template run<KvType::kF16>(run, queries, state);
    case KvType::kBF16:
      return kernel.template run<KvType::kBF16>(run, queries, state);
    case KvType::kQ8_0:
      return kernel.template run<KvType::kQ8_0>(run, queries, state);
    default:
      return kernel.template run<KvType::kQ4_0>(run, queries, state);
  }
}

/// Many queries on tiles; few of them, floats and odd heads by the AVX-512 kernel, which does not
/// need this much of the stack.
template <class Unit>
void attend_on_tiles(KvType type, const KvRun& run, const QueryBlock& queries,
                     const AttendState& state) {
  const bool many = queries.n_queries > wide::kFewQueries && wide::fits_pairs(queries);
  if (!many || type == KvType::kF32) return avx512::attend(type, run, queries, state);
  attend_many<Unit>(type, run, queries, state);
}

}  // namespace
}  // namespace lowkey::simd::amx
