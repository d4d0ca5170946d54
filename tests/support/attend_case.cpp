#include "tests/support/attend_case.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "simd/scalar/ops.h"
#include "simd/select.h"
#include "tests/support/kernel_harness.h"

namespace lowkey::testing {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();
constexpr double kOne = 32767;  // length of a vector of 16-bit integers
constexpr double kExp2Error = 2.6e-6;

int64_t n_tiles(int n_tokens) { return ceil_div(n_tokens, simd::kTileTokens); }

double largest(const float* x, int64_t n) {
  double max = 0;
  for (int64_t i = 0; i < n; ++i) max = std::max(max, std::abs(double(x[i])));
  return max;
}

}  // namespace

AttendResult::AttendResult(const AttendShape& shape)
    : max(size_t(shape.n_queries), kNothing),
      sum(size_t(shape.n_queries), 0),
      out(int64_t{shape.n_queries} * shape.d_v, 1, 0.0f) {
  for (float& x : out.span()) x = 0;
}

// Queries are scaled so that scores have a spread of about 2.
AttendCase::AttendCase(const AttendShape& shape)
    : shape_(shape),
      q_(int64_t{shape.n_queries} * shape.d_k, shape.seed, 2 / std::sqrt(float(shape.d_k))),
      k_(int64_t{shape.n_tokens} * shape.d_k, shape.seed + 1),
      v_(int64_t{shape.n_tokens} * shape.d_v, shape.seed + 2) {
  if (shape.d_k > 3) {
    for (int i = 0; i < shape.n_queries; ++i) q_.data()[i * shape.d_k + 3] /= shape.outlier;
    for (int t = 0; t < shape.n_tokens; ++t) k_.data()[t * shape.d_k + 3] *= shape.outlier;
  }
  fill_tiles();
  choose_ranges();
}

// Tokens behind the last one are NaN in every type: reading them as values would show.
void AttendCase::fill_tiles() {
  const int64_t k_bytes = simd::kv_part_bytes(shape_.type, shape_.d_k);
  tile_stride_ = round_up(k_bytes + simd::kv_part_bytes(shape_.type, shape_.d_v) + 12, 4);
  tiles_.assign(size_t(n_tiles(shape_.n_tokens) * tile_stride_), std::byte{0xff});
  for (int t = 0; t < shape_.n_tokens; ++t) {
    std::byte* tile = tiles_.data() + t / simd::kTileTokens * tile_stride_;
    const int in_tile = t % simd::kTileTokens;
    simd::scalar::encode_k(shape_.type, k_.data() + int64_t{t} * shape_.d_k, shape_.d_k, in_tile,
                           tile);
    simd::scalar::encode_v(shape_.type, v_.data() + int64_t{t} * shape_.d_v, shape_.d_v, in_tile,
                           tile + k_bytes);
  }
}

void AttendCase::choose_ranges() {
  begin_.assign(size_t(shape_.n_queries), 0);
  end_.assign(size_t(shape_.n_queries), shape_.n_tokens);
  if (!shape_.masked) return;
  std::mt19937 random(shape_.seed + 3);
  std::uniform_int_distribution<int> token(0, shape_.n_tokens);
  for (int i = 0; i < shape_.n_queries; ++i) {
    begin_[i] = random() % 3 == 0 ? 0 : token(random);
    end_[i] = random() % 5 == 0 ? begin_[i] : std::max(begin_[i], token(random));
  }
}

AttendResult AttendCase::attend(const simd::KernelSet& set, int n_runs) const {
  AttendResult result(shape_);
  const int64_t k_bytes = simd::kv_part_bytes(shape_.type, shape_.d_k);
  const int64_t tiles = n_tiles(shape_.n_tokens);
  for (int r = 0; r < n_runs; ++r) {
    const int64_t first = tiles * r / n_runs, last = tiles * (r + 1) / n_runs;
    const int begin = int(first * simd::kTileTokens);
    const int n = std::min(int(last) * simd::kTileTokens, shape_.n_tokens) - begin;
    const std::byte* tile = tiles_.data() + first * tile_stride_;
    const std::byte* v = tile ? tile + k_bytes : nullptr;  // no tokens, no tiles
    std::vector<int32_t> from, to;
    for (int i = 0; i < shape_.n_queries; ++i) {
      from.push_back(std::clamp(begin_[i] - begin, 0, n));
      to.push_back(std::clamp(end_[i] - begin, 0, n));
    }
    set.attend(shape_.type, {tile, v, tile_stride_, n},
               {q_.data(), from.data(), to.data(), shape_.n_queries, shape_.d_k, shape_.d_v},
               result.state());
  }
  return result;
}

// Sum of |q| |k| of query i and any token. Codes never decode beyond the largest entry of their row
// but for the rounding of the f16 scale.
double AttendCase::score_size(int i) const {
  const float* q = q_.data() + int64_t{i} * shape_.d_k;
  const bool blocks = shape_.type >= simd::KvType::kQ8_0;
  double size = 0;
  for (int c = 0; c < shape_.d_k; ++c) {
    double k = blocks ? largest(k_.data(), k_.size()) : 0;
    for (int t = 0; t < shape_.n_tokens && !blocks; ++t) {
      k = std::max(k, std::abs(double(k_.data()[int64_t{t} * shape_.d_k + c])));
    }
    size += std::abs(double(q[c])) * k;
  }
  return 1.01 * size;
}

AttendCase::Numbers AttendCase::numbers_of(const simd::KernelSet& set) const {
  const std::string_view name = set.name;
  const bool many = shape_.n_queries > 8 && shape_.type != simd::KvType::kF32 &&
                    shape_.d_k % 16 == 0 && shape_.d_v % 16 == 0 &&
                    std::max(shape_.d_k, shape_.d_v) <= 256;
  if (many && has_float_tiles(set)) return Numbers::kTwoBf16;
  if (many && name.starts_with("avx")) return Numbers::kIntegers;
  return Numbers::kFloats;
}

// What a score may be off by where queries and keys are rounded to 1 / kOne of their lengths, once
// the one is divided and the other multiplied by the root mean square of each coordinate of the
// queries (simd/wide/attend_pairs-inl.h): the two errors have lengths of at most
// sqrt(d_k) / 2 kOne of q's and k's, and meet the other one's.
double AttendCase::length_rounding(int i) const {
  const int d = shape_.d_k;
  const double row = largest(k_.data(), k_.size());
  double q_length = 0, k_length = 0;
  for (int c = 0; c < d; ++c) {
    double squares = 0, k = shape_.type >= simd::KvType::kQ8_0 ? row : 0;
    for (int j = 0; j < shape_.n_queries; ++j) {
      squares += std::pow(double(q_.data()[int64_t{j} * d + c]), 2);
    }
    for (int t = 0; t < shape_.n_tokens; ++t) {
      k = std::max(k, std::abs(double(k_.data()[int64_t{t} * d + c])));
    }
    const double spread = squares / shape_.n_queries;
    if (spread == 0) continue;
    q_length += std::pow(double(q_.data()[int64_t{i} * d + c]), 2) / spread;
    k_length += 1.02 * k * k * spread;
  }
  return 1.01 * std::sqrt(double(d)) / kOne * std::sqrt(q_length * k_length);
}

// On tiles three products are summed for each.
double AttendCase::score_rounding(int i, Numbers numbers) const {
  if (numbers == Numbers::kIntegers) return length_rounding(i);
  if (numbers == Numbers::kFloats) return 0;
  return score_size(i) * (kTilesError + 2 * shape_.d_k * kUnit);
}

// A weight exp(s - m) is off by the error of its score (d_k products and sums and two scale
// roundings, each at most kUnit of sum |q| |k|), by rounding s - m, by exp, and by one rescaling
// per chunk of tokens; a common error of m cancels.
double AttendCase::weight_error(int i, int n_runs, Numbers numbers) const {
  const double score = score_size(i);
  const double n_chunks = double(n_tiles(shape_.n_tokens)) + n_runs;
  const double power = numbers == Numbers::kTwoBf16 ? kExp2Error : 0;
  return power + 2 * score_rounding(i, numbers) + (shape_.d_k + 5) * kUnit * score +
         2 * score * kUnit + (n_chunks + 1) * (kExpError + 3 * kUnit) + 2 * score * kUnit;
}

// As integers, a value is off by 1 / 2 kOne of its column's length in a chunk of 64 tokens, and
// each of their weights by 1 / 2 kOne of the root of the weights' sum, which is at least 1.
double AttendCase::output_bound(int i, int n_runs, Numbers numbers) const {
  const double n = shape_.n_tokens + 5;
  const double rounding = numbers == Numbers::kIntegers  ? (8 + 64) / (2 * kOne)
                          : numbers == Numbers::kTwoBf16 ? kTilesError + 4 * n * kUnit
                                                         : 0;
  return (2 * weight_error(i, n_runs, numbers) + 2 * n * kUnit + rounding) * 1.01 *
         largest(v_.data(), v_.size());
}

::testing::AssertionResult AttendCase::check(const simd::KernelSet& set, int n_runs) const {
  const AttendResult want = attend(*simd::all_kernel_sets().back(), 1);
  const AttendResult got = attend(set, n_runs);
  const int64_t n = shape_.n_tokens;
  const Numbers numbers = numbers_of(set);
  for (int i = 0; i < shape_.n_queries; ++i) {
    const bool nothing = begin_[i] >= end_[i];
    if (nothing != (got.sum[i] == 0) || nothing != (got.max[i] == kNothing)) {
      return ::testing::AssertionFailure() << "query " << i << " of " << n << " tokens: max "
                                           << got.max[i] << ", sum " << got.sum[i];
    }
    const double log_want = nothing ? 0 : want.max[i] + std::log(double(want.sum[i]));
    const double log_got = nothing ? 0 : got.max[i] + std::log(double(got.sum[i]));
    const double bound = nothing ? 0 : output_bound(i, n_runs, numbers);
    const double log_bound = weight_error(i, n_runs, numbers) + (double(n) + 4) * kUnit;
    LK_CHECK_THAT(within(log_got, log_want, log_bound, n, -1 - i));
    for (int64_t c = int64_t{i} * shape_.d_v; c < int64_t{i + 1} * shape_.d_v; ++c) {
      const double divisor_got = nothing ? 1 : got.sum[i], divisor_want = nothing ? 1 : want.sum[i];
      LK_CHECK_THAT(within(got.out[c] / divisor_got, want.out[c] / divisor_want, bound, n, c));
    }
  }
  if (!got.out.guarded()) return ::testing::AssertionFailure() << "wrote past the end";
  return ::testing::AssertionSuccess();
}

}  // namespace lowkey::testing
