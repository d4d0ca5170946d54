// Sums of the functions of a chunk by the shares that queries take of them: in floats, or, where
// the set has products of pairs of 16-bit integers (Ops::dot_pairs), of rounded ones.
#pragma once

#include "simd/wide/latent_shares-inl.h"

namespace lowkey::simd::wide {
namespace {

constexpr int kHalfChunk = kChunkTokens / 2;
constexpr float kOne = 32767;  // the largest of a rounded function, or share

/// Whether functions are rounded.
template <class Ops>
constexpr bool kPairsFunctions = requires {
  &Ops::dot_pairs;
};

/// Vectors of half a chunk that are summed together.
template <class Ops>
constexpr int kHeldVectors = Ops::kMeanVectors;

/// Scores of a vector of tokens `at` behind the middle of the chunk, and of those before it.
template <class Ops>
[[gnu::always_inline]] inline void store_halves(typename Ops::Float behind,
                                                typename Ops::Float before, int at, float* score) {
  behind.store_aligned(score + kHalfChunk + at);
  Ops::reversed(before).store_aligned(score + kHalfChunk - at - Ops::kLanes);
}

/// Where the shares of some queries are: in the same lane of their own, or in neighbouring lanes.
template <class Lanes, LaneOf kLane>
struct SharesOf {
  const Lanes* shares;
  int64_t lane;  // of the first query

  /// Words from one query to the next, and from one function to the next.
  static constexpr int64_t kQuery = kLane == LaneOf::kChunk ? sizeof(Lanes) / 4 : 1;
  static constexpr int64_t kFunction = sizeof(Lanes::of[0]) / 4;

  /// The first query's place in a row of lanes. What it is part of the compiler need not know: the
  /// next query's lies in another row.
  template <class T>
  const T* first(const T (&row)[kMeanLanes]) const {
    const T* at = row;
    asm("" : "+r"(at));
    return at + lane;
  }
};

/// What kQueries queries take of one function added to their sums; kStride: words from one query's
/// share to the next.
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

/// The functions as the tables have them.
template <class Ops>
struct FloatFunctions {
  const ChunkPhases* phases;
  const ActivePairs* active;

  void prepare(const ChunkPhases& p, const ActivePairs& a) {
    phases = &p;
    active = &a;
  }

  /// Scores of kQueries queries for a chunk, in units of log 2.
  template <int kQueries, LaneOf kLane>
  void sum(const SharesOf<Shares, kLane>& own, const QueryScales& scales, float* score) const {
    using Float = typename Ops::Float;
    using Own = SharesOf<Shares, kLane>;
    constexpr int kHeld = kHeldVectors<Ops>;
    const float* constants = own.first(own.shares->constant);
    const float* even_shares = own.first(own.shares->of[0].even);
    const float* odd_shares = own.first(own.shares->of[0].odd);
    for (int first = 0; first < kHalfChunk; first += kHeld * Ops::kLanes) {
      Float even[kQueries][kHeld], odd[kQueries][kHeld];
      unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
        const Float constant(scales.constant[q] + constants[q * Own::kQuery]);
        unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
          even[q][v] = constant;
          odd[q][v] = Float(0.0f);
        });
      });
      const float* table = phases->functions + first;
      for (int k = 0; k < active->n_odd(); ++k) {
        if (k < active->n_even()) {
          const float* function = table + active->even_row(*phases, k) * kHalfChunk;
          add_function<Ops, Own::kQuery>(even_shares + k * Own::kFunction, function, even);
        }
        const float* function = table + active->odd_row(*phases, k) * kHalfChunk;
        add_function<Ops, Own::kQuery>(odd_shares + k * Own::kFunction, function, odd);
      }
      unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
        unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
          store_halves<Ops>(even[q][v] + odd[q][v], even[q][v] - odd[q][v], first + v * Ops::kLanes,
                            score + q * kChunkTokens);
        });
      });
    }
  }
};

constexpr int kMostPairs = (kMostFunctions + 1) / 2;

/// Shares as integers, of two functions in every 32 bits.
using PairedShares = LaneShares<int32_t, kMostPairs>;

/// scale [kMeanLanes]: what each lane's shares are multiplied by.
template <class Ops>
void round_shares(const ActivePairs& active, const Shares& found, const float* scale,
                  PairedShares& out) {
  using Float = typename Ops::Float;
  using Int = typename Ops::Int;
  const int n_even = active.n_even(), n_odd = active.n_odd();
  std::copy_n(found.constant, kMeanLanes, out.constant);
  for (int lane = 0; lane < kMeanLanes; lane += Ops::kLanes) {
    const Float by = Float::load_aligned(scale + lane), none(0.0f);
    const auto part = [&](const float* x, bool there) {
      return there ? Float::load_aligned(x + lane) * by : none;
    };
    for (int k = 0; k < n_odd; k += 2) {
      const auto *low = &found.of[k], *high = low + 1;
      auto& pair = out.of[k / 2];
      Int(Ops::pair_of(part(low->even, k < n_even), part(high->even, k + 1 < n_even)))
          .store_aligned(pair.even + lane);
      Int(Ops::pair_of(part(low->odd, true), part(high->odd, k + 1 < n_odd)))
          .store_aligned(pair.odd + lane);
    }
  }
}

/// The functions that are active, as integers up to kOne, two in every 32 bits.
template <class Ops>
struct PairedFunctions {
  using Int = typename Ops::Int;
  int n_even, n_odd;  // pairs
  struct Pair {
    alignas(64) int32_t even[kHalfChunk];
    alignas(64) int32_t odd[kHalfChunk];
  } of[kMostPairs];

  void prepare(const ChunkPhases& p, const ActivePairs& active) {
    alignas(64) static constexpr float kNone[kHalfChunk] = {};
    const auto pair = [](const float* low, const float* high, int32_t* out) {
      using Float = typename Ops::Float;
      const Float one(kOne);
      for (int t = 0; t < kHalfChunk; t += Ops::kLanes) {
        Int(Ops::pair_of(Float::load_aligned(low + t) * one, Float::load_aligned(high + t) * one))
            .store_aligned(out + t);
      }
    };
    const auto row = [&](int i) { return p.functions + i * kHalfChunk; };
    n_even = ceil_div(active.n_even(), 2);
    n_odd = ceil_div(active.n_odd(), 2);
    for (int i = 0; i < n_even; ++i) {
      const int k = 2 * i;
      pair(row(active.even_row(p, k)),
           k + 1 < active.n_even() ? row(active.even_row(p, k + 1)) : kNone, of[i].even);
    }
    for (int i = 0; i < n_odd; ++i) {
      const int k = 2 * i;
      pair(row(active.odd_row(p, k)),
           k + 1 < active.n_odd() ? row(active.odd_row(p, k + 1)) : kNone, of[i].odd);
    }
  }

  /// As FloatFunctions::sum.
  template <int kQueries, LaneOf kLane>
  void sum(const SharesOf<PairedShares, kLane>& own, const QueryScales& scales,
           float* score) const {
    using Float = typename Ops::Float;
    constexpr int kHeld = kHeldVectors<Ops>;
    using Own = SharesOf<PairedShares, kLane>;
    const float* constants = own.first(own.shares->constant);
    const int32_t* even_shares = own.first(own.shares->of[0].even);
    const int32_t* odd_shares = own.first(own.shares->of[0].odd);
    for (int first = 0; first < kHalfChunk; first += kHeld * Ops::kLanes) {
      Int evens[kQueries][kHeld], odds[kQueries][kHeld];
      unrolled<kQueries * kHeld>([&](auto i) __attribute__((always_inline)) {
        evens[i / kHeld][i % kHeld] = odds[i / kHeld][i % kHeld] = Int(0);
      });
      for (int i = 0; i < n_even; ++i) {
        add<Own::kQuery>(even_shares + i * Own::kFunction, of[i].even + first, evens);
      }
      for (int i = 0; i < n_odd; ++i) {
        add<Own::kQuery>(odd_shares + i * Own::kFunction, of[i].odd + first, odds);
      }
      unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
        const Float constant(scales.constant[q] + constants[q * Own::kQuery]);
        const Float unit(scales.unit[q]);
        const auto value = [&](const Int& x) __attribute__((always_inline)) {
          return Ops::mul_add(xsimd::to_float(x), unit, constant);
        };
        unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
          store_halves<Ops>(value(evens[q][v] + odds[q][v]), value(evens[q][v] - odds[q][v]),
                            first + v * Ops::kLanes, score + q * kChunkTokens);
        });
      });
    }
  }

 private:
  template <int64_t kStride, int kQueries, int kHeld>
  [[gnu::always_inline]] static void add(const int32_t* share, const int32_t* function,
                                         Int (&sum)[kQueries][kHeld]) {
    typename Int::register_type value[kHeld];
    unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
      value[v] = Ops::held(Int::load_aligned(function + v * Ops::kLanes));
    });
    unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
      const Int own(share[q * kStride]);
      unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
        sum[q][v] = Ops::dot_pairs(sum[q][v], value[v], own);
      });
    });
  }
};

}  // namespace
}  // namespace lowkey::simd::wide
