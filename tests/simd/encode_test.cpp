#include <algorithm>
#include <cstring>

#include "base/half.h"
#include "simd/scalar/ops.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

using simd::KvType;

constexpr KvType kTypes[] = {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8_0,
                             KvType::kQ4_0};

/// Rows that meet every rule: ordinary, zero, ties of magnitude, subnormal, and beyond f16.
std::vector<Floats> awkward_rows(int d) {
  std::vector<Floats> rows;
  for (float spread : {1.0f, 1e-3f, 1e3f, 1e-6f, 1e-20f, 1e-39f, 1e9f, 1e30f}) {
    rows.emplace_back(d, uint32_t(rows.size() + 1), spread);
  }
  rows.emplace_back(d, 50, 0.0f);
  for (int i = 0; i < d; ++i) rows.back()[i] = i % 2 ? 0.0f : -0.0f;
  for (float sign : {1.0f, -1.0f}) {
    rows.emplace_back(d, 51);
    for (int i = 0; i < d; ++i) rows.back()[i] = sign * float(i % 3 - 1) * 2.5f;
  }
  rows.emplace_back(d, 52);
  for (int i = 0; i < d; ++i) rows.back()[i] = float(i % 255 - 127) / 2;  // halves: ties in q8_0
  return rows;
}

enum class Part { kK, kV };

void encode(const simd::KernelSet& set, Part which, KvType type, std::span<const float> row, int t,
            std::vector<std::byte>& part) {
  const int d = int(row.size());
  if (which == Part::kK) set.encode_k(type, row.data(), d, t, part.data());
  if (which == Part::kV) set.encode_v(type, row.data(), d, t, part.data());
}

::testing::AssertionResult same_bytes(const simd::KernelSet& set, Part which, KvType type, int d) {
  const simd::KernelSet oracle = copy_of_scalar_set();
  const std::vector<std::byte> before(size_t(simd::kv_part_bytes(type, d)) + 64, std::byte{0xa5});
  int t = 0;
  std::vector<Floats> rows = awkward_rows(d);
  for (Floats& row : rows) {
    t = (t + 5) % simd::kTileTokens;
    std::vector<std::byte> want = before, got = before;
    encode(oracle, which, type, row.span(), t, want);
    encode(set, which, type, row.span(), t, got);
    const auto differing = std::mismatch(want.begin(), want.end(), got.begin());
    if (differing.first == want.end()) continue;
    return ::testing::AssertionFailure()
           << "type " << int(type) << ", d " << d << ", token " << t << ": first different byte "
           << differing.first - want.begin();
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_encode(const simd::KernelSet& set) {
  for (KvType type : kTypes) {
    const bool blocks = type >= KvType::kQ8_0;
    for (int d = blocks ? 32 : 1; d <= 256; d += blocks ? 32 : 13) {
      LK_CHECK_THAT(same_bytes(set, Part::kK, type, d));
      LK_CHECK_THAT(same_bytes(set, Part::kV, type, d));
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(Encode, EverySetWritesTheOraclesBytes) { expect_on_every_set(check_encode); }

TEST(Encode, OracleFollowsTheLayout) {
  const int d = 32, t = 3;
  Floats x(d, 7);
  x[20] = -8;  // largest magnitude: scale 1 in q4_0
  std::vector<std::byte> part(size_t(simd::kv_part_bytes(KvType::kQ4_0, d)));
  simd::scalar::encode_k(KvType::kQ4_0, x.data(), d, t, part.data());
  uint16_t scale;
  std::memcpy(&scale, part.data() + 2 * t, 2);
  EXPECT_EQ(f16_to_f32(scale), 1);
  const int byte = int(part[size_t(2 * 16 + 4 * 16 + t)]);
  EXPECT_EQ(byte >> 4, 0);
  EXPECT_EQ(byte & 15, int(std::floor(x[4] + 8.5f)));
  simd::scalar::encode_v(KvType::kQ4_0, x.data(), d, t, part.data());
  EXPECT_EQ(int(part[size_t(2 * 16 + t * 16 + 4)]), byte);
}

TEST(Encode, CheckNoticesRoundingAwayFromZero) {
  simd::KernelSet set = copy_of_scalar_set();
  set.encode_v = [](KvType type, const float* v, int d, int t, std::byte* part) {
    simd::scalar::encode_v(type, v, d, t, part);
    auto* halves = reinterpret_cast<uint16_t*>(part);
    if (type == KvType::kF16) halves[t * d] += 1;
  };
  EXPECT_FALSE(check_encode(set));
}

}  // namespace
}  // namespace lowkey::testing
