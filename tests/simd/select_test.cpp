#include "simd/select.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/kernel_harness.h"

namespace lowkey::testing {
namespace {

/// Sets LOWKEY_ISA for one scope.
class ForcedIsa {
 public:
  explicit ForcedIsa(const char* name) {
    if (const char* before = std::getenv("LOWKEY_ISA")) before_ = before;
    setenv("LOWKEY_ISA", name, 1);
  }
  ~ForcedIsa() {
    if (before_.empty())
      unsetenv("LOWKEY_ISA");
    else
      setenv("LOWKEY_ISA", before_.c_str(), 1);
  }

 private:
  std::string before_;
};

TEST(SelectTest, EverySetFillsEveryOp) {
  for (const simd::KernelSet* set : simd::all_kernel_sets()) {
    EXPECT_NE(set->name, nullptr);
    EXPECT_NE(set->supported, nullptr) << set->name;
#define LK_EXPECT_OP(op) EXPECT_NE(set->op, nullptr) << set->name << ": " #op;
    LK_FOR_EACH_OP(LK_EXPECT_OP)
#undef LK_EXPECT_OP
  }
}

TEST(SelectTest, TheOracleComesLastAndRunsAnywhere) {
  const simd::KernelSet& last = *simd::all_kernel_sets().back();
  EXPECT_STREQ(last.name, "scalar");
  EXPECT_TRUE(last.supported(CpuFeatures{}));
}

TEST(SelectTest, FastSetsDeclineACpuWithoutTheirInstructions) {
  for (const simd::KernelSet* set :
       simd::all_kernel_sets().first(simd::all_kernel_sets().size() - 1)) {
    EXPECT_FALSE(set->supported(CpuFeatures{})) << set->name;
  }
}

TEST(SelectTest, FindsEachRunnableSetByName) {
  expect_on_every_set([](const simd::KernelSet& set) {
    const auto found = simd::select_kernel_set(set.name);
    return found.ok() && *found == &set ? ::testing::AssertionSuccess()
                                        : ::testing::AssertionFailure();
  });
}

TEST(SelectTest, EnvironmentForcesASetOnlyWhereNoneIsNamed) {
  const ForcedIsa forced("scalar");
  EXPECT_STREQ(simd::select_kernel_set("auto").value()->name, "scalar");
  EXPECT_STREQ(simd::select_kernel_set("").value()->name, "scalar");
  const char* best = nullptr;
  for (const simd::KernelSet* set : simd::all_kernel_sets()) {
    if (!best && set->supported(cpu_features())) best = set->name;
  }
  EXPECT_STREQ(simd::select_kernel_set(best).value()->name, best);
  const ForcedIsa automatic("auto");
  EXPECT_STREQ(simd::select_kernel_set("").value()->name, best);
}

TEST(SelectTest, AnUnknownNameListsTheSetsThatRun) {
  const auto result = simd::select_kernel_set("sse9");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(result.error().where, "--isa");
  EXPECT_NE(result.error().what.find("unknown kernel set 'sse9'"), std::string::npos);
  for (const simd::KernelSet* set : simd::all_kernel_sets()) {
    const bool listed = result.error().what.find(set->name) != std::string::npos;
    EXPECT_TRUE(listed || !set->supported(cpu_features())) << set->name;
  }
  const ForcedIsa forced("sse9");
  EXPECT_EQ(simd::select_kernel_set("auto").error().where, "LOWKEY_ISA");
}

TEST(SelectTest, ASetThatCannotRunHereIsAnErrorAndNoSubstitute) {
  for (const simd::KernelSet* set : simd::all_kernel_sets()) {
    if (set->supported(cpu_features())) continue;
    const auto result = simd::select_kernel_set(set->name);
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.error().what.find("cannot run"), std::string::npos);
  }
}

}  // namespace
}  // namespace lowkey::testing
