// Memory that is asked for before it is needed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/view.h"

namespace lowkey::simd::wide {
namespace {

/// Memory that is asked for in the order of its addresses, as memory likes it best, and a little at
/// a time as work goes on: a core waits once more lines are under way than it can count. Every step
/// asks for as many lines as the one before, some perhaps twice: a test that the processor cannot
/// foresee costs more than they do. kLevel: of the cache that gets them.
template <int kLevel>
struct Stream {
  static constexpr int kLine = 64;
  const std::byte* at = nullptr;  // asked for again and again if there is nothing else
  int64_t total = 0, left = 0;    // bytes
  int64_t rate = 0;               // bytes a step

  void start(const std::byte* data, int64_t n_bytes) {
    at = data;
    total = left = n_bytes;
  }
  [[gnu::always_inline]] static void ask(const std::byte* p) {
    __builtin_prefetch(p, 0, 4 - kLevel);
  }
  /// The next `n_bytes`, in n_steps of at most kLines.
  template <int kLines>
  void spread(int64_t n_bytes, int n_steps) {
    n_bytes = std::max(std::min(n_bytes, left), int64_t{0});
    rate = std::min(ceil_div(n_bytes, int64_t{std::max(n_steps, 1)}), int64_t{kLines} * kLine);
    left -= rate * n_steps;
  }
  template <int kLines>
  [[gnu::always_inline]] void step() {
    for (int i = 0; i < kLines; ++i) ask(at + i * kLine);
    at += rate;
  }
  /// A step of any size.
  void burst() {
    for (int64_t i = 0; i < rate; i += kLine) ask(at + i);
    at += rate;
  }
};

/// Lines that a group's step asks for at most, of keys and of values.
constexpr int kKeyLines = 1, kValueLines = 3;

/// What a chunk's work asks for: the next chunk, and what comes after all chunks. A quarter of it
/// with the keys, a quarter with the weights, half with the values, about as the time goes. Wide
/// codes are more lines than the steps of values ask for: the weights have no such bound.
struct Ahead {
  Stream<1> next;
  Stream<2> later;

  template <int kLines>
  void start_keys(int n_steps) {
    next.spread<kLines>(next.total / 4, n_steps);
    later.spread<kLines>(later.total / 4, n_steps);
  }
  void start_weights(int n_steps, int n_value_steps) {
    constexpr int kAny = 1 << 20, kFew = 8;
    const int64_t most = int64_t{n_value_steps} * kValueLines * Stream<1>::kLine;
    next.spread<kAny>(next.left - std::min(next.total / 2, most), n_steps);
    later.spread<kFew>(later.left - later.total / 2, n_steps);
  }
  template <int kLines>
  void start_values(int n_steps) {
    next.spread<kLines>(next.left, n_steps);
    later.spread<kLines>(later.left, n_steps);
  }
  template <int kLines>
  [[gnu::always_inline]] void step() {
    next.step<kLines>();
    later.step<kLines>();
  }
  void burst() {
    next.burst();
    later.burst();
  }
};

}  // namespace
}  // namespace lowkey::simd::wide
