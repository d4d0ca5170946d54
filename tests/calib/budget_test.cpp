#include "calib/allocate/budget.h"

#include <gtest/gtest.h>

#include <string>

namespace lowkey::calib {
namespace {

int64_t bits_of(const char* text, int64_t n_elements = 1000, int64_t n_exact = 36) {
  const auto budget = parse_budget(text);
  EXPECT_TRUE(budget.ok()) << text;
  const auto bits = budget_bits(*budget, n_elements, n_exact);
  EXPECT_TRUE(bits.ok()) << text;
  return bits.ok() ? *bits : -1;
}

TEST(BudgetTest, AllThreeFormsGiveBitsPerToken) {
  EXPECT_EQ(bits_of("2.5b"), 2500);
  EXPECT_EQ(bits_of("16b"), 16000);
  EXPECT_EQ(bits_of("96B/token"), 768);
  EXPECT_EQ(bits_of("1.5KiB/token"), 12288);
  EXPECT_EQ(bits_of("2kB/token"), 16000);
  // 1 MiB for 1,024 tokens, 36 of which also take 2,000 bytes each.
  EXPECT_EQ(bits_of("1MiB@1k"), (int64_t{1} << 20) * 8 / 1024 - 36 * 2000 * 8 / 1024 - 1);
  EXPECT_EQ(bits_of("1MiB@1024", 1000, 0), 8192);
  EXPECT_EQ(bits_of("4GiB@32k", 1000, 0), 4 * (int64_t{1} << 30) * 8 / 32768);
  EXPECT_EQ(bits_of("8GB@1M", 1000, 0), 8'000'000'000 * 8 / (1 << 20));
}

TEST(BudgetTest, AShortContextPaysForNoMoreExactTokensThanItHas) {
  EXPECT_EQ(bits_of("10000B@4", 1000), (10000 - 4 * 2000) * 8 / 4);
}

TEST(BudgetTest, OtherTextIsRefusedWithTheFormsThatAreKnown) {
  for (const char* text : {"",           "b",
                           "2.5",        "-1b",
                           "0b",         "nanb",
                           "infb",       "17b",
                           "2.5bits",    "96B",
                           "96/token",   "96X/token",
                           "96B/tokens", "4GiB@",
                           "@32k",       "4GiB@0",
                           "4GiB@-1",    "4GiB@32q",
                           "4@32k",      "4GiB@32k@1",
                           "1e300GiB@1", "99999999999GiB@1",
                           " 2b",        "2b "}) {
    const auto budget = parse_budget(text);
    ASSERT_FALSE(budget.ok()) << text;
    EXPECT_EQ(budget.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(budget.error().what.find("'" + std::string(text) + "'"), std::string::npos);
    EXPECT_NE(budget.error().what.find("96B/token"), std::string::npos);
  }
}

TEST(BudgetTest, ACacheThatTheExactTokensFillIsRefused) {
  const auto bits = budget_bits(*parse_budget("71kB@1k"), 1000, 36);
  ASSERT_FALSE(bits.ok());
  EXPECT_NE(bits.error().what.find("72000 bytes of the exact tokens, found 71000"),
            std::string::npos);
}

}  // namespace
}  // namespace lowkey::calib
