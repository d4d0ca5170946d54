// Non-owning row-major views. Dimensions are named outermost first: [rows, cols].
#pragma once

#include <cstdint>

namespace lowkey {

template <class T>
struct MatrixView {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;  // elements from one row to the next

  T* row(int64_t i) const { return data + i * stride; }
};

template <class T>
MatrixView<T> matrix(T* data, int64_t rows, int64_t cols) {
  return {data, rows, cols, cols};
}

/// Half-open range of indices.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
/// The i-th of n_parts parts of [0, n), of sizes that differ by one at most.
constexpr Range part_of(int64_t n, int64_t i, int64_t n_parts) {
  return {n * i / n_parts, n * (i + 1) / n_parts};
}

}  // namespace lowkey
