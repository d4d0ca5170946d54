// Chooses the kernel set once; it is then passed on as an argument.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "simd/kernel_set.h"

namespace lowkey::simd {

/// Every set in this build, best first, the scalar oracle last.
std::span<const KernelSet* const> all_kernel_sets();

/// The set called `name`, or the best one that runs here if `name` is empty or "auto" (then the
/// environment variable LOWKEY_ISA, if set, is the name). An unknown name, or a set that this CPU
/// or operating system cannot run, is an error that lists the names that work.
Result<const KernelSet*> select_kernel_set(std::string_view name);

}  // namespace lowkey::simd
