// The best uniform quantiser of a unit Gaussian, by width (Max, 1960, table II; recomputed to
// 1e-9).
#pragma once

#include <array>

namespace lowkey::calib {

constexpr int kMaxWidth = 8;

/// Width of a coordinate kept as a bf16 number, which the rank-only mode uses.
constexpr int kBf16Width = 16;

/// Distance of two levels; 2^b levels, symmetric, none at zero. Index 0 is unused.
constexpr std::array<double, kMaxWidth + 1> kGaussianStep = {0.0,         1.595769122, 0.995686660,
                                                             0.586019442, 0.335200616, 0.188138786,
                                                             0.104063012, 0.056867674, 0.030762382};

/// Mean squared error left by it; 1 where nothing is stored.
constexpr std::array<double, kMaxWidth + 1> kGaussianDistortion = {
    1.0,           0.3633802276,  0.1188460504,   0.03743965939,  0.01154288443,
    0.00349521136, 0.00104004541, 0.000304332771, 0.0000876861858};

/// Share of the variance lost at `width`, one of 0..8 or kBf16Width.
constexpr double distortion_of_width(int width) {
  return width == kBf16Width ? 0.0 : kGaussianDistortion[size_t(width)];
}

}  // namespace lowkey::calib
