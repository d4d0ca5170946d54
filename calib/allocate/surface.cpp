#include "calib/allocate/surface.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lowkey::calib {

namespace {

constexpr double kLeastError = 1e-12;  // what rounding to float leaves of none

/// Levels below and above `bits`, and how far it lies between them.
struct Place {
  size_t low = 0, high = 0;
  double share = 0;
};

Place place_of(const std::vector<double>& levels, double bits) {
  const size_t high = size_t(std::ranges::lower_bound(levels, bits) - levels.begin());
  if (high == levels.size()) return {high - 1, high - 1, 0};
  if (high == 0) return {0, 0, 0};
  return {high - 1, high, (bits - levels[high - 1]) / (levels[high] - levels[high - 1])};
}

/// The last split of `front` within `units`; the first if none is.
const Split& best_within(const std::vector<Split>& front, int64_t units) {
  const auto next = std::ranges::upper_bound(front, units, {}, &Split::total);
  return next == front.begin() ? front.front() : *(next - 1);
}

/// The first split of error at most `bound`; the last if none is.
const Split& cheapest_below(const std::vector<Split>& front, double bound) {
  const auto found = std::ranges::lower_bound(front, bound, std::ranges::greater{}, &Split::error);
  return found == front.end() ? front.back() : *found;
}

int64_t total_of(std::span<const Split> splits) {
  int64_t total = 0;
  for (const Split& split : splits) total += split.total();
  return total;
}

std::vector<Split> splits_below(std::span<const std::vector<Split>> fronts, double bound) {
  std::vector<Split> out;
  for (const auto& front : fronts) out.push_back(cheapest_below(front, bound));
  return out;
}

}  // namespace

ErrorSurface::ErrorSurface(std::span<const double> levels, std::span<const float> errors)
    : levels_(levels.begin(), levels.end()) {
  for (const float error : errors) logs_.push_back(std::log(std::max(double(error), kLeastError)));
}

double ErrorSurface::at(double bits_k, double bits_v) const {
  const Place k = place_of(levels_, bits_k), v = place_of(levels_, bits_v);
  const size_t n = levels_.size();
  const auto along_v = [&](size_t row) {
    return logs_[row * n + v.low] * (1 - v.share) + logs_[row * n + v.high] * v.share;
  };
  return std::exp(along_v(k.low) * (1 - k.share) + along_v(k.high) * k.share);
}

std::vector<Split> pareto_front(const ErrorSurface& surface, double unit_bits) {
  const int first = int(std::ceil(surface.lowest() / unit_bits - 1e-9));
  const int last = int(std::ceil(surface.highest() / unit_bits - 1e-9));
  std::vector<Split> front;
  double least = std::numeric_limits<double>::infinity();
  for (int total = 2 * first; total <= 2 * last; ++total) {
    Split best;
    best.error = std::numeric_limits<double>::infinity();
    for (int k = std::max(first, total - last); k <= std::min(last, total - first); ++k) {
      const double error = surface.at(k * unit_bits, (total - k) * unit_bits);
      if (error < best.error) best = {k, total - k, error};
    }
    if (!(best.error < least)) continue;
    least = best.error;
    front.push_back(best);
  }
  return front;
}

std::vector<Split> split_by_error(std::span<const std::vector<Split>> fronts, int64_t budget) {
  std::vector<double> bounds;  // any other bound gives the splits of one of these
  for (const auto& front : fronts) {
    for (const Split& split : front) bounds.push_back(split.error);
  }
  std::ranges::sort(bounds);
  const auto affordable = std::ranges::partition_point(
      bounds, [&](double bound) { return total_of(splits_below(fronts, bound)) > budget; });
  return splits_below(
      fronts, affordable == bounds.end() ? std::numeric_limits<double>::infinity() : *affordable);
}

std::vector<Split> split_in_order(std::span<const std::vector<Split>> fronts, int64_t budget,
                                  std::span<const double> weights) {
  std::vector<double> weight_from(fronts.size() + 1, 0.0);  // of a layer and all after it
  std::vector<int64_t> least_from(fronts.size() + 1, 0);    // units that they need in any case
  for (size_t l = fronts.size(); l-- > 0;) {
    weight_from[l] = weight_from[l + 1] + weights[l];
    least_from[l] = least_from[l + 1] + fronts[l].front().total();
  }
  std::vector<Split> out;
  for (size_t l = 0; l < fronts.size(); ++l) {
    const auto share = int64_t(double(budget) * weights[l] / weight_from[l] + 1e-9);
    // Never so much that layers to come cannot have their least, never less than they can use.
    int64_t most_after = 0;
    for (size_t j = l + 1; j < fronts.size(); ++j) most_after += fronts[j].back().total();
    const int64_t units =
        std::min(std::max(share, budget - most_after), budget - least_from[l + 1]);
    out.push_back(best_within(fronts[l], units));
    budget -= out.back().total();
  }
  return out;
}

std::vector<double> position_weights(size_t n_layers) {
  std::vector<double> weights(n_layers, 1.0);
  const size_t quarter = std::max<size_t>(n_layers / 4, 1);
  for (size_t l = 0; l < n_layers; ++l) {
    if (l + quarter >= n_layers) weights[l] = 1.75;
    if (l < quarter) weights[l] = 2.0;
  }
  return weights;
}

}  // namespace lowkey::calib
