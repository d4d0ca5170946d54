// What every step of the engine is given: which kernels, which threads, which numbers.
#pragma once

#include "base/threads.h"
#include "simd/kernel_set.h"

namespace lowkey::engine {

/// How activations meet weights.
enum class Precision {
  kFast,     // 8-bit activations per block of 32, as peers do
  kDefault,  // 15-bit activations: log-probabilities as good as float's
  kExact,    // float activations and f32 products everywhere
};

struct Context {
  const simd::KernelSet* kernels = nullptr;
  Team* team = nullptr;
  Precision precision = Precision::kDefault;
  bool bf16_prefill = false;  // blocks of tokens go through bf16 matrix products (AMX)
};

}  // namespace lowkey::engine
