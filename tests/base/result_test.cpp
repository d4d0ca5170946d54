#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace lowkey {
namespace {

Result<int> half_of(int n) {
  if (n % 2 != 0) {
    return make_error(ErrorCode::kInvalidArgument, "half_of",
                      "expected an even number, found " + std::to_string(n));
  }
  return n / 2;
}

Result<int> quarter_of(int n) {
  LK_ASSIGN(const int half, half_of(n));
  LK_ASSIGN(const int quarter, half_of(half));
  return quarter;
}

Status require_quarter(int n) {
  LK_RETURN_IF_ERROR(quarter_of(n));
  return {};
}

TEST(Result, CarriesTheValue) {
  const Result<int> result = half_of(8);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(bool(result));
  EXPECT_EQ(*result, 4);
}

TEST(Result, CarriesTheErrorWithPlaceExpectedAndFound) {
  const Result<int> result = half_of(7);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(result.error().message(), "half_of: expected an even number, found 7");
}

TEST(Result, MacrosPassTheFirstErrorOn) {
  EXPECT_EQ(*quarter_of(12), 3);
  EXPECT_EQ(quarter_of(6).error().what, "expected an even number, found 3");
  EXPECT_TRUE(require_quarter(4).ok());
  EXPECT_FALSE(require_quarter(2).ok());
}

TEST(Result, MovesValuesThatCannotBeCopied) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 5);
}

TEST(Result, ExitCodeTellsWrongInputFromFailureWhileRunning) {
  for (const ErrorCode input : {ErrorCode::kInvalidArgument, ErrorCode::kInvalidData,
                                ErrorCode::kNotFound, ErrorCode::kUnsupported}) {
    EXPECT_EQ(make_error(input, "", "").exit_code(), 2);
  }
  for (const ErrorCode running : {ErrorCode::kIo, ErrorCode::kOutOfMemory, ErrorCode::kCancelled}) {
    EXPECT_EQ(make_error(running, "", "").exit_code(), 1);
  }
}

TEST(ResultDeathTest, ReadingTheValueOfAnErrorIsOurBug) {
  EXPECT_DEATH((void)half_of(1).value(), "internal error.*expected an even number, found 1");
}

}  // namespace
}  // namespace lowkey
