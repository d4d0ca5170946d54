#include "tests/support/kernel_harness.h"

#include <cstdlib>
#include <set>
#include <sstream>
#include <string>

#include "simd/amx/ops.h"
#include "simd/select.h"

namespace lowkey::testing {

namespace {
constexpr char kEmulatedTiles[] = "emulated tiles";
}

void expect_on_every_set(const KernelCheck& check) {
  std::set<std::string> ran;
  std::string names, skipped;
  for (const simd::KernelSet* set : simd::all_kernel_sets()) {
    if (!set->supported(cpu_features())) {
      skipped += std::string(skipped.empty() ? "" : ",") + set->name;
      continue;
    }
    SCOPED_TRACE(std::string("kernel set ") + set->name);
    EXPECT_TRUE(check(*set));
    ran.insert(set->name);
    names += std::string(names.empty() ? "" : ",") + set->name;
  }
  ::testing::Test::RecordProperty("kernel_sets", names);
  ::testing::Test::RecordProperty("kernel_sets_not_runnable_here", skipped);
  EXPECT_TRUE(ran.count("scalar"));
  const char* expected = std::getenv("LOWKEY_EXPECT_SETS");
  std::istringstream list(expected ? expected : "");
  for (std::string name; std::getline(list, name, ',');) {
    EXPECT_TRUE(ran.count(name)) << "kernel set '" << name << "' should have run, but only "
                                 << names << " did";
  }
}

void expect_on_emulated_tiles(const KernelCheck& check) {
#if defined(__x86_64__)
  for (const simd::KernelSet* set : simd::all_kernel_sets()) {
    if (set->name != std::string("avx512") || !set->supported(cpu_features())) continue;
    simd::KernelSet tiles = *set;
    tiles.name = kEmulatedTiles;
    tiles.attend = simd::amx::attend_emulated;
    tiles.latent_project = simd::amx::latent_project_emulated;
    tiles.latent_attend = simd::amx::latent_attend_emulated;
    SCOPED_TRACE(tiles.name);
    EXPECT_TRUE(check(tiles));
    return;
  }
#endif
  GTEST_SKIP() << "the emulated tile unit needs the avx512 set";
}

bool has_float_tiles(const simd::KernelSet& set) {
  const std::string name = set.name;
  return name == "amx" || name == kEmulatedTiles;
}

simd::KernelSet copy_of_scalar_set() { return *simd::all_kernel_sets().back(); }

}  // namespace lowkey::testing
