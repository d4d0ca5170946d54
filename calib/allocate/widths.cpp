#include "calib/allocate/widths.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "calib/allocate/gaussian.h"

namespace lowkey::calib {
namespace {

/// One possible purchase: a group goes from one hull width to the next.
struct Step {
  double gain_per_bit = 0;
  size_t set = 0;
  size_t first = 0;  // coordinate
  size_t n = 0;      // coordinates of the group
  int width = 0;     // after the step
  int64_t bits = 0;
};

Error refused(std::string what) {
  return make_error(ErrorCode::kInvalidArgument, "width allocation", std::move(what));
}

Status check(std::span<const CoordinateSet> sets, int64_t budget_bits, const WidthRules& rules) {
  if (rules.widths.empty() || rules.widths[0] != 0 || !std::ranges::is_sorted(rules.widths)) {
    return refused("expected rising widths that begin with 0");
  }
  for (int width : rules.widths) {
    if (width != kBf16Width && (width < 0 || width > kMaxWidth)) {
      return refused("expected widths of 0 to 8 bits or 16, found " + std::to_string(width));
    }
  }
  if (rules.group < 1 || rules.overhead_bits < 0 || budget_bits < 0) {
    return refused("expected groups of at least one coordinate and a budget that is not negative");
  }
  for (const CoordinateSet& set : sets) {
    for (size_t i = 0; i < set.importance.size(); ++i) {
      const double own = set.importance[i];
      if (!std::isfinite(own) || own < 0 || (i > 0 && own > set.importance[i - 1])) {
        return refused("expected finite importances that fall, found " + std::to_string(own) +
                       " at coordinate " + std::to_string(i));
      }
    }
  }
  return {};
}

/// Widths on the lower convex hull of (bits, distortion): marginal gains fall along it.
std::vector<int> hull_widths(const std::vector<int>& widths) {
  std::vector<int> hull;
  const auto slope = [](int from, int to) {
    return (distortion_of_width(from) - distortion_of_width(to)) / (to - from);
  };
  for (int width : widths) {
    if (!hull.empty() && width == hull.back()) continue;
    while (hull.size() >= 2 &&
           slope(hull[hull.size() - 2], hull.back()) <= slope(hull.back(), width)) {
      hull.pop_back();
    }
    hull.push_back(width);
  }
  return hull;
}

std::vector<Step> all_steps(std::span<const CoordinateSet> sets, const WidthRules& rules) {
  const std::vector<int> hull = hull_widths(rules.widths);
  std::vector<Step> steps;
  for (size_t s = 0; s < sets.size(); ++s) {
    const auto& importance = sets[s].importance;
    for (size_t first = 0; first < importance.size(); first += size_t(rules.group)) {
      const size_t n = std::min(size_t(rules.group), importance.size() - first);
      double total = 0;
      for (size_t i = first; i < first + n; ++i) total += importance[i];
      for (size_t w = 1; w < hull.size(); ++w) {
        const double gain = distortion_of_width(hull[w - 1]) - distortion_of_width(hull[w]);
        const int bits = hull[w] - hull[w - 1];
        // Groups are paid in full even where the last one is short.
        steps.push_back({total * gain / bits, s, first, n, hull[w], int64_t{bits} * rules.group});
      }
    }
  }
  std::ranges::stable_sort(steps, std::ranges::greater{}, &Step::gain_per_bit);
  return steps;
}

double total_error(std::span<const CoordinateSet> sets, const Allocation& a) {
  double error = 0;
  for (size_t s = 0; s < sets.size(); ++s) {
    for (size_t i = 0; i < sets[s].importance.size(); ++i) {
      error += sets[s].importance[i] * distortion_of_width(a.widths[s][i]);
    }
  }
  return error;
}

}  // namespace

Result<Allocation> allocate_widths(std::span<const CoordinateSet> sets, int64_t budget_bits,
                                   const WidthRules& rules) {
  LK_RETURN_IF_ERROR(check(sets, budget_bits, rules));
  Allocation out;
  for (const CoordinateSet& set : sets) out.widths.emplace_back(set.importance.size(), uint8_t{0});
  for (const Step& step : all_steps(sets, rules)) {
    if (!(step.gain_per_bit > 0)) break;  // bits that take away no error are not spent
    auto& widths = out.widths[step.set];
    const int64_t bits = step.bits + (widths[0] == 0 ? rules.overhead_bits : 0);
    // The first step too dear ends it: later ones are worth less, and skipping would let a
    // group overtake an earlier one of its set.
    if (out.bits + bits > budget_bits) break;
    out.bits += bits;
    std::fill_n(widths.begin() + std::ptrdiff_t(step.first), step.n, uint8_t(step.width));
  }
  out.error = total_error(sets, out);
  return out;
}

int64_t bits_per_token(std::span<const std::vector<uint8_t>> widths, const WidthRules& rules) {
  int64_t bits = 0;
  for (const auto& set : widths) {
    bool any = false;
    for (size_t first = 0; first < set.size(); first += size_t(rules.group)) {
      bits += int64_t{set[first]} * rules.group;
      any = any || set[first] > 0;
    }
    if (any) bits += rules.overhead_bits;
  }
  return bits;
}

}  // namespace lowkey::calib
