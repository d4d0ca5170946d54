#include "tests/support/matmul_case.h"

#include <cmath>

#include "base/half.h"

namespace lowkey::testing {

namespace {

constexpr float kUntouched = 12345.0f;

/// Activations of a case, and their values as the kernels must see them.
struct Input {
  std::vector<int8_t> hi, lo;
  std::vector<float> scale, x;
  std::vector<int32_t> sum;
  std::vector<double> truth;   // [n_tokens, n_cols]
  std::vector<double> either;  // [n_rows, n_cols]: by how much a weight may be off; empty: 0

  simd::Activations view(const MatmulCase& test) {
    return {test.n_tokens, test.n_cols, hi.data(), test.with_lo ? lo.data() : nullptr,
            scale.data(),  sum.data()};
  }
};

Input random_integers(const MatmulCase& test) {
  std::mt19937 random(test.seed + 17);
  const size_t n = size_t(test.n_tokens * test.n_cols);
  Input in;
  in.hi.resize(n);
  in.lo.resize(n);
  in.truth.resize(n);
  in.scale.resize(n / 32);
  in.sum.assign(n / 16, 0);
  for (float& scale : in.scale) scale = std::abs(random_float(random)) / 16256;
  for (size_t i = 0; i < n; ++i) {
    in.hi[i] = int8_t(int(random() % 255) - 127);
    in.lo[i] = int8_t(int(random() % 128) - 64);
    const int q = 128 * in.hi[i] + (test.with_lo ? in.lo[i] : 0);
    in.sum[i / 16] += q;
    in.truth[i] = double(in.scale[i / 32]) * q;
  }
  return in;
}

Input random_values(const MatmulCase& test) {
  Input in;
  in.x = random_floats(test.n_tokens * test.n_cols, test.seed + 17);
  in.truth.assign(in.x.begin(), in.x.end());
  return in;
}

/// Rounds weights to bf16. Floats on the way may err by two roundings, and so land on the other
/// side of a tie: `in.either` then is the step between the two sides, elsewhere 0.
void round_weights(RandomPanels& w, Input& in) {
  in.either.assign(w.weight.size(), 0.0);
  for (size_t i = 0; i < w.weight.size(); ++i) {
    const auto rounded = [&](double value) {
      return double(bf16_to_f32(f32_to_bf16(float(value))));
    };
    const double exact = w.weight[i], error = 2 * 0x1p-24 * w.magnitude[i];
    in.either[i] = rounded(exact + error) - rounded(exact - error);
    w.weight[i] = rounded(exact);
    w.magnitude[i] = std::abs(w.weight[i]);
  }
}

struct Output {
  std::vector<float> before, y;
  int64_t stride;
  Range panels;

  explicit Output(const MatmulCase& test, int64_t n_panels) : stride(test.n_rows + 3) {
    const int64_t n = stride * test.n_tokens;
    before = test.accumulate ? random_floats(n, test.seed + 5)
                             : std::vector<float>(size_t(n), kUntouched);
    y = before;
    panels = {test.panels.begin, test.panels.end < 0 ? n_panels : test.panels.end};
  }
  simd::MatmulOut view(const MatmulCase& test) { return {y.data(), stride, test.accumulate}; }
};

/// One result: of token `token` and row `row`, and how many sums its rounding may count.
struct Place {
  int64_t token, row;
  double n_sums;
};

::testing::AssertionResult compare_row(const MatmulCase& test, const RandomPanels& w,
                                       const Input& in, const Output& out, const Place& place) {
  const auto [t, row, n_sums] = place;
  const size_t at = size_t(t * out.stride + row);
  const double start = test.accumulate ? out.before[at] : 0.0;
  double truth = start, size = std::abs(start), either = 0.0;
  for (int64_t c = 0; c < test.n_cols; ++c) {
    const size_t i = size_t(row * test.n_cols + c);
    truth += w.weight[i] * in.truth[size_t(t * test.n_cols + c)];
    size += w.magnitude[i] * std::abs(in.truth[size_t(t * test.n_cols + c)]);
    if (!in.either.empty())
      either += in.either[i] * std::abs(in.truth[size_t(t * test.n_cols + c)]);
  }
  const double tolerance = (n_sums + 8) * 0x1p-24 * size + either;
  if (std::abs(out.y[at] - truth) <= tolerance) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << test.describe() << ": token " << t << ", row " << row << " is " << out.y[at] << ", not "
         << truth << " +- " << tolerance;
}

::testing::AssertionResult compare(const MatmulCase& test, const RandomPanels& w, const Input& in,
                                   const Output& out, double n_sums) {
  const int64_t begin = out.panels.begin * simd::kPanelRows;
  const int64_t end = std::min(out.panels.end * simd::kPanelRows, test.n_rows);
  for (int64_t t = 0; t < test.n_tokens; ++t) {
    for (int64_t row = 0; row < out.stride; ++row) {
      const size_t at = size_t(t * out.stride + row);
      if (row >= begin && row < end) {
        auto result = compare_row(test, w, in, out, {t, row, n_sums});
        if (!result) return result;
      } else if (out.y[at] != out.before[at]) {
        return ::testing::AssertionFailure()
               << test.describe() << ": wrote row " << row << " outside of its range";
      }
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace

std::string MatmulCase::describe() const {
  return "type " + std::to_string(int(format.type)) + (format.has_minimum ? " with minimum" : "") +
         ", " + std::to_string(n_rows) + " rows, " + std::to_string(n_cols) + " columns, " +
         std::to_string(n_tokens) + " tokens" + (with_lo ? ", hi and lo" : ", hi") +
         (accumulate ? ", accumulating" : "");
}

::testing::AssertionResult check_matmul(MatmulQuantized matmul, const MatmulCase& test) {
  const RandomPanels w = random_panels(test.format, test.n_rows, test.n_cols, test.seed);
  Input in = random_integers(test);
  Output out(test, w.view.n_panels());
  simd::PanelMatrix view = w.view;
  // A hint, of memory that is not there.
  if (test.seed % 3 > 0)
    view.next = reinterpret_cast<const std::byte*>(uintptr_t{4096} * test.seed);
  matmul(view, out.panels, in.view(test), out.view(test));
  return compare(test, w, in, out, double(test.n_cols) / 32);
}

::testing::AssertionResult check_matmul(MatmulFloat matmul, const MatmulCase& test) {
  const RandomPanels w = random_panels(test.format, test.n_rows, test.n_cols, test.seed);
  const Input in = random_values(test);
  Output out(test, w.view.n_panels());
  const MatrixView<const float> x{in.x.data(), test.n_tokens, test.n_cols, test.n_cols};
  matmul(w.view, out.panels, x, out.view(test));
  return compare(test, w, in, out, double(test.n_cols));
}

::testing::AssertionResult check_matmul(MatmulBf16 matmul, const MatmulCase& test) {
  RandomPanels w = random_panels(test.format, test.n_rows, test.n_cols, test.seed);
  Input in = random_values(test);
  std::vector<uint16_t> values;
  for (size_t i = 0; i < in.x.size(); ++i) {
    values.push_back(f32_to_bf16(in.x[i]));
    in.truth[i] = bf16_to_f32(values.back());
  }
  round_weights(w, in);
  Output out(test, w.view.n_panels());
  matmul(w.view, out.panels, {values.data(), test.n_tokens, test.n_cols, test.n_cols},
         out.view(test));
  return compare(test, w, in, out, double(test.n_cols));
}

std::vector<MatmulCase> matmul_cases(const simd::PanelFormat& format) {
  std::vector<MatmulCase> cases;
  uint32_t seed = 1;
  const auto add = [&](int64_t n_rows, int64_t n_blocks, int64_t n_tokens, Range panels = {0, -1}) {
    for (int variant = 0; variant < 4; ++variant) {
      cases.push_back({format, n_rows, 32 * n_blocks, n_tokens, variant % 2 == 0, variant >= 2,
                       panels, seed++});
    }
  };
  for (int64_t n_rows = 1; n_rows <= 40; ++n_rows) add(n_rows, 2, 1 + n_rows % 3);
  for (int64_t n_blocks = 1; n_blocks <= 20; ++n_blocks) add(17, n_blocks, 1 + n_blocks % 5);
  for (int64_t n_tokens = 1; n_tokens <= 40; ++n_tokens) add(16, 3, n_tokens);
  for (int64_t n_blocks : {31, 32, 33, 65}) {  // around one and two slabs of columns
    add(18, n_blocks, 1);
    add(18, n_blocks, 9);
  }
  for (int64_t n_blocks : {64, 65, 130}) add(34, n_blocks, 33);  // of columns of whole tiles
  add(70, 4, 5, {1, 3});
  add(70, 4, 1, {4, 5});
  add(70, 4, 3, {2, 2});
  add(20, 2, 0);
  return cases;
}

}  // namespace lowkey::testing
