#include "calib/decay.h"

#include <algorithm>
#include <cmath>

#include "calib/allocate/gaussian.h"
#include "calib/build.h"

namespace lowkey::calib {

namespace {

constexpr double kLeastError = 1e-12;
constexpr double kMostLog = 1.0;  // factors beyond e are chance more often than not

/// Error to expect of a side at `bits` per element.
double modelled_error(const models::SideBasis& side, const WidthRules& rules, double bits) {
  const auto n = double(side.heads.size() * size_t(side.heads[0].d()));
  const auto allocation = allocate_widths(side_sets(side, 1.0), int64_t(bits * n), rules);
  return allocation.ok() ? std::max(allocation.value().error, kLeastError) : kLeastError;
}

}  // namespace

size_t probed_level(const models::ErrorProfile& profile, bool rank_only) {
  const double wanted = rank_only ? 0.55 * 16 : 2.0;
  size_t best = 0;
  for (size_t i = 1; i < profile.levels.size(); ++i) {
    if (std::abs(profile.levels[i] - wanted) < std::abs(profile.levels[best] - wanted)) best = i;
  }
  return best;
}

double output_error_alone(const models::ErrorProfile& profile, size_t layer, bool keys,
                          size_t level) {
  const size_t n = profile.levels.size(), last = n - 1;
  const std::vector<float>& surface = profile.surfaces[layer];
  const double coded = double(surface[keys ? level * n + last : last * n + level]);
  return std::max(coded - double(surface[last * n + last]), kLeastError);
}

ErrorDecay::ErrorDecay(const models::BasisFile& file, const WidthRules& rules) {
  const models::ErrorProfile& profile = file.profile;
  const size_t n = profile.levels.size();
  if (n < 2 || profile.surfaces.size() != file.layers.size()) return;
  levels_ = profile.levels;
  const size_t probed = probed_level(profile, rules.widths.back() == kBf16Width);
  for (size_t l = 0; l < file.layers.size(); ++l) {
    for (const bool keys : {true, false}) {
      const models::SideBasis& side = keys ? file.layers[l].k : file.layers[l].v;
      std::vector<double> logs;
      for (size_t i = 0; i < n; ++i) {
        const double measured = output_error_alone(profile, l, keys, i);
        logs.push_back(std::log(measured / modelled_error(side, rules, levels_[i])));
      }
      logs[n - 1] = logs[n - 2];  // the last level is what counts as exact
      for (const double log : logs) {
        logs_.push_back(std::clamp(log - logs[probed], -kMostLog, kMostLog));
      }
    }
  }
}

double ErrorDecay::at(size_t layer, bool keys, double bits) const {
  if (levels_.empty()) return 1;
  const size_t n = levels_.size();
  const double* logs = logs_.data() + (2 * layer + (keys ? 0 : 1)) * n;
  const auto high = size_t(std::ranges::lower_bound(levels_, bits) - levels_.begin());
  if (high == 0) return std::exp(logs[0]);
  if (high == n) return std::exp(logs[n - 1]);
  const double share = (bits - levels_[high - 1]) / (levels_[high] - levels_[high - 1]);
  return std::exp(logs[high - 1] * (1 - share) + logs[high] * share);
}

double side_bits(const models::SideBasis& side, const WidthRules& rules) {
  const size_t n = side.heads.size() * size_t(side.heads[0].d());
  return double(bits_per_token(side_widths(side), rules)) / double(n);
}

}  // namespace lowkey::calib
