// Blocks of 32 numbers with one f16 scale, q4_0's rule at any width: what fixed codes of few bits
// cost, measured without kernels for them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/kv/spec.h"

namespace lowkey::engine {

/// Bits per element of a block code: its codes, and a scale per 32 of them.
constexpr double block_bits(int width) { return width + 16.0 / 32.0; }

/// x (a multiple of 32 numbers) as blocks of `width` bits would give it back: scale = (entry of
/// largest magnitude) / -2^(width - 1), rounded to f16; codes to the nearest of 2^width.
void round_blocks(std::span<float> x, int width);

/// Heads turned by a Walsh-Hadamard matrix, then such blocks: "hadamard-k4v3", keys of 4 bits and
/// values of 3, each 2 to 4. q4_0h is hadamard-k4v4. Any other name: nothing.
std::optional<CacheSpec> hadamard_control(std::string_view name);

}  // namespace lowkey::engine
