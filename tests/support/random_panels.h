// Random panels that know their own truth: the weights are written down before they are packed.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "simd/panel.h"

namespace lowkey::testing {

struct RandomPanels {
  simd::PanelMatrix view;
  std::vector<std::byte> bytes;
  std::vector<double> weight;     // [n_rows, n_cols]
  std::vector<double> magnitude;  // [n_rows, n_cols]: |scale (code - offset)| + |minimum|
};

/// Every format that files are repacked into, quantised ones first.
struct NamedFormat {
  const char* name;
  simd::PanelFormat format;
};
std::vector<NamedFormat> quantised_formats();
std::vector<NamedFormat> all_formats();

RandomPanels random_panels(const simd::PanelFormat& format, int64_t n_rows, int64_t n_cols,
                           uint32_t seed);

/// Uniform in [-1, 1); the same on every platform.
float random_float(std::mt19937& random);
std::vector<float> random_floats(int64_t n, uint32_t seed);

}  // namespace lowkey::testing
