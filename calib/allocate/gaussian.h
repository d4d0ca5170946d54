// What a code of some bits leaves of a Gaussian coordinate among others.
#pragma once

#include <array>

#include "simd/latent_tile.h"

namespace lowkey::calib {

constexpr int kMaxWidth = 8;

/// Width of a coordinate kept as a bf16 number, which the rank-only mode uses.
constexpr int kBf16Width = 16;

/// What a code of gain 1 reaches, in deviations of its coordinate, whatever its width: then no
/// width asks for more gain than the others, whose steps would grow with it. Less than the largest
/// coordinate of nearly every token, so that gains follow small tokens too.
constexpr double kCodeRange = 1.2;

/// Distance of two levels of a coordinate of unit variance.
constexpr double step_of_width(int width) { return kCodeRange / double(simd::latent_range(width)); }

/// Error left in a coordinate of unit variance by a width of 1 to 8 bits: its mean square, where
/// the largest of 48 independent Gaussian coordinates sets the gain (16 million codes drawn). What
/// is not stored costs more than its square: it is missing from all tokens alike, where errors of
/// rounding average out over the tokens that a query looks at. 1.65 is fitted to the divergence of
/// a model's output (docs/latent-cache.md).
constexpr std::array<double, kMaxWidth + 1> kDistortion = {
    1.65, 0.4543, 0.14316, 0.035545, 0.008773, 0.0021674, 0.0005463, 0.00013603, 0.00003407};

/// Error left at `width`, one of 0..8 or kBf16Width.
constexpr double distortion_of_width(int width) {
  return width == kBf16Width ? 0.0 : kDistortion[size_t(width)];
}

}  // namespace lowkey::calib
