#include "base/cpu.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace lowkey {
namespace {

TEST(Cpu, WiderFeaturesImplyNarrowerOnes) {
  const CpuFeatures& f = cpu_features();
  const auto implies = [](bool wide, bool narrow) { return !wide || narrow; };
  EXPECT_TRUE(implies(f.avx_vnni, f.avx2));
  EXPECT_TRUE(implies(f.avx512, f.avx2));
  EXPECT_TRUE(implies(f.avx512_vnni, f.avx512));
  EXPECT_TRUE(implies(f.avx512_bf16, f.avx512));
  EXPECT_TRUE(implies(f.avx512_vbmi, f.avx512));
  EXPECT_TRUE(implies(f.amx_int8, f.avx512_vnni));
  EXPECT_TRUE(implies(f.amx_bf16, f.avx512_vnni));
  EXPECT_TRUE(implies(f.dotprod, f.neon));
  EXPECT_TRUE(implies(f.i8mm, f.neon));
  EXPECT_FALSE(f.neon && f.avx2) << "no CPU has both";
}

#if defined(__x86_64__)
/// The flags that the kernel lists for the first CPU, between blanks; empty without /proc.
std::string listed_flags() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("flags", 0) == 0) return line.substr(line.find(':') + 1) + " ";
  }
  return "";
}

TEST(Cpu, ClaimsNothingThatTheKernelDoesNotList) {
  const std::string flags = listed_flags();
  if (flags.empty()) GTEST_SKIP() << "/proc/cpuinfo lists no flags";
  const auto listed = [&](const char* name) {
    return flags.find(" " + std::string(name) + " ") != std::string::npos;
  };
  const CpuFeatures& f = cpu_features();
  EXPECT_EQ(f.avx2, listed("avx2") && listed("fma") && listed("f16c"));
  EXPECT_EQ(f.avx512, f.avx2 && listed("avx512f") && listed("avx512bw") && listed("avx512dq") &&
                          listed("avx512vl"));
  EXPECT_LE(f.avx_vnni, listed("avx_vnni"));
  EXPECT_EQ(f.avx512_vnni, f.avx512 && listed("avx512_vnni"));
  EXPECT_EQ(f.avx512_bf16, f.avx512 && listed("avx512_bf16"));
  EXPECT_LE(f.amx_int8, listed("amx_int8")) << "the system may still refuse the tiles";
  EXPECT_LE(f.amx_bf16, listed("amx_bf16"));
}
#elif defined(__aarch64__)
TEST(Cpu, EveryArm64CpuHasNeon) { EXPECT_TRUE(cpu_features().neon); }
#endif

TEST(Cpu, HasANameAndAtLeastOneProcessor) {
  EXPECT_FALSE(cpu_name().empty());
  EXPECT_GE(cpu_count(), 1);
}

TEST(Cpu, AnswersTheSameEachTime) { EXPECT_EQ(&cpu_features(), &cpu_features()); }

}  // namespace
}  // namespace lowkey
