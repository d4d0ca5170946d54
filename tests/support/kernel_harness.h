// Runs one check on every kernel set of this build that this machine can run. Checks are functions
// of a set, so that the same check can be shown to fail on a sabotaged one.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "simd/kernel_set.h"

namespace lowkey::testing {

using KernelCheck = std::function<::testing::AssertionResult(const simd::KernelSet&)>;

/// Runs `check` on each set; names in the test's record which sets ran and which could not.
/// Environment LOWKEY_EXPECT_SETS ("avx512,avx2"): sets that must have run, or the test fails.
void expect_on_every_set(const KernelCheck& check);

/// Runs `check` on the avx512 set with attention on an emulated matrix tile unit, so that the tile
/// kernel is tested on processors without one; skips where that set cannot run.
void expect_on_emulated_tiles(const KernelCheck& check);

/// Whether a set, the one with emulated tiles among them, multiplies floats on matrix tiles, as
/// sums of two bf16 (simd/amx/two_parts.h).
bool has_float_tiles(const simd::KernelSet& set);
/// What a product of two floats may then be off by, relative to it: each is off by 2^-16, and the
/// product of the two lesser parts, at most 2^-9 of each, is left out.
constexpr double kTilesError = 2 * 0x1p-16 + 0x1p-18;

/// A copy of the oracle, to be spoiled by a test.
simd::KernelSet copy_of_scalar_set();

}  // namespace lowkey::testing
