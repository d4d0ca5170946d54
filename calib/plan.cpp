#include "calib/plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "calib/allocate/gaussian.h"
#include "calib/allocate/surface.h"
#include "calib/build.h"
#include "calib/decay.h"

namespace lowkey::calib {

namespace {

using models::BasisFile;
using models::SideBasis;

constexpr std::array<std::string_view, 4> kPolicyNames = {"uniform", "v1", "v2", "global"};

Status set_side(SideBasis& side, const WidthRules& rules, int64_t bits) {
  LK_ASSIGN(const Allocation allocation, allocate_widths(side_sets(side, 1.0), bits, rules));
  set_side_widths(side, allocation.widths);
  return {};
}

/// Each head takes the same number of bits and spends them on its own coordinates as it likes.
Status plan_uniform(BasisFile& file, const WidthRules& rules, int64_t budget_bits) {
  const auto n_heads = int64_t(2 * file.layers.size() * file.layers[0].k.heads.size());
  const int64_t bits = budget_bits / n_heads;
  for (models::LayerBasis& layer : file.layers) {
    for (SideBasis* side : {&layer.k, &layer.v}) {
      std::vector<std::vector<uint8_t>> widths;
      for (const CoordinateSet& set : side_sets(*side, 1.0)) {
        LK_ASSIGN(Allocation own, allocate_widths({&set, 1}, bits, rules));
        widths.push_back(std::move(own.widths[0]));
      }
      set_side_widths(*side, widths);
    }
  }
  return {};
}

/// Water-filling with every side's price taken where its bits will be: prices and bits settle in a
/// few rounds, since a price changes by far less than the error per bit.
Status plan_global(BasisFile& file, const WidthRules& rules, int64_t budget_bits) {
  constexpr int kRounds = 8;
  const ErrorDecay decay(file, rules);
  std::vector<double> factors(2 * file.layers.size(), 1.0);
  for (int round = 0; round < kRounds; ++round) {
    LK_RETURN_IF_ERROR(assign_widths(file, budget_bits, rules, factors));
    const std::vector<double> before = factors;
    for (size_t l = 0; l < file.layers.size(); ++l) {
      factors[2 * l] = decay.at(l, true, side_bits(file.layers[l].k, rules));
      factors[2 * l + 1] = decay.at(l, false, side_bits(file.layers[l].v, rules));
    }
    if (factors == before) break;
  }
  return {};
}

/// v1 and v2 choose each side's bits on the layers' measured error surfaces.
Status plan_on_surfaces(BasisFile& file, const WidthRules& rules, Policy policy,
                        int64_t budget_bits) {
  const models::ErrorProfile& profile = file.profile;
  if (profile.levels.size() < 2 || profile.surfaces.size() != file.layers.size()) {
    return make_error(ErrorCode::kUnsupported, "policies v1 and v2",
                      "expected a basis file with error surfaces, found none; `lowkey calibrate "
                      "--policy v1` measures them");
  }
  // A unit lets each head of a side store one more group by one bit, or one more coordinate.
  const int64_t unit = int64_t{rules.group} * (rules.widths[1] - rules.widths[0]) *
                       int64_t(file.layers[0].k.heads.size());
  const double unit_bits = double(unit) / (file.n_kv_heads * file.head_dim);
  std::vector<std::vector<Split>> fronts;
  for (const auto& surface : profile.surfaces) {
    fronts.push_back(pareto_front(ErrorSurface(profile.levels, surface), unit_bits));
  }
  const std::vector<Split> splits =
      policy == Policy::kV1
          ? split_by_error(fronts, budget_bits / unit)
          : split_in_order(fronts, budget_bits / unit, position_weights(fronts.size()));
  int64_t total = 0;
  for (const Split& split : splits) total += split.total() * unit;
  if (total > budget_bits) {
    return make_error(ErrorCode::kInvalidArgument, "budget",
                      "expected at least the lowest level that was measured (" +
                          std::to_string(profile.levels[0]) + " bits), found less");
  }
  for (size_t l = 0; l < splits.size(); ++l) {
    LK_RETURN_IF_ERROR(set_side(file.layers[l].k, rules, splits[l].k * unit));
    LK_RETURN_IF_ERROR(set_side(file.layers[l].v, rules, splits[l].v * unit));
  }
  return {};
}

}  // namespace

Result<Policy> find_policy(std::string_view name) {
  if (name.empty()) return Policy::kGlobal;
  const auto found = std::ranges::find(kPolicyNames, name);
  if (found != kPolicyNames.end()) return Policy(found - kPolicyNames.begin());
  return make_error(ErrorCode::kInvalidArgument, "--policy",
                    "expected uniform, v1, v2 or global, found '" + std::string(name) + "'");
}

bool is_rank_only(const BasisFile& file) {
  const auto has_rank = [](const SideBasis& side) {
    return std::ranges::any_of(side.heads, [](const models::HeadBasis& head) {
      return !head.widths.empty() && head.widths[0] == kBf16Width;
    });
  };
  return std::ranges::any_of(file.layers, [&](const models::LayerBasis& layer) {
    return has_rank(layer.k) || has_rank(layer.v);
  });
}

WidthRules width_rules(bool rank_only) {
  return rank_only ? WidthRules{{0, kBf16Width}, 1, 0} : WidthRules{};
}

Status plan_widths(BasisFile& file, const WidthRules& rules, int64_t budget_bits) {
  LK_ASSIGN(const Policy policy, find_policy(file.policy));
  if (policy == Policy::kGlobal) return plan_global(file, rules, budget_bits);
  LK_RETURN_IF_ERROR(policy == Policy::kUniform
                         ? plan_uniform(file, rules, budget_bits)
                         : plan_on_surfaces(file, rules, policy, budget_bits));
  file.bits_per_element = double(planned_bits(file)) / double(elements_per_token(file));
  return {};
}

std::vector<SideCosts> expected_costs(const BasisFile& file) {
  const WidthRules rules = width_rules(is_rank_only(file));
  const ErrorDecay decay(file, rules);
  std::vector<SideCosts> costs;
  for (size_t l = 0; l < file.layers.size(); ++l) {
    const auto cost = [&](const SideBasis& side, bool keys) {
      return side.sensitivity * expected_error(side) * decay.at(l, keys, side_bits(side, rules));
    };
    costs.push_back({cost(file.layers[l].k, true), cost(file.layers[l].v, false)});
  }
  return costs;
}

double expected_sum(const BasisFile& file) {
  double sum = 0;
  for (const SideCosts& layer : expected_costs(file)) sum += layer.k + layer.v;
  return sum;
}

double predicted_kld(const models::ErrorProfile& profile, double sum) {
  return profile.kld_scale * std::pow(sum, profile.kld_exponent);
}

double predicted_kld(const BasisFile& file) {
  return predicted_kld(file.profile, expected_sum(file));
}

int64_t planned_bits(const BasisFile& file) {
  const WidthRules rules = width_rules(is_rank_only(file));
  int64_t bits = 0;
  for (const models::LayerBasis& layer : file.layers) {
    bits +=
        bits_per_token(side_widths(layer.k), rules) + bits_per_token(side_widths(layer.v), rules);
  }
  return bits;
}

Status plan_for_kld(BasisFile& file, const WidthRules& rules, double max_kld) {
  int64_t low = 0, high = elements_per_token(file) * (rules.widths.back() + rules.overhead_bits);
  LK_RETURN_IF_ERROR(plan_widths(file, rules, high));
  if (!(predicted_kld(file) <= max_kld)) {
    return make_error(ErrorCode::kInvalidArgument, "--max-kld",
                      "expected at least " + std::to_string(predicted_kld(file)) +
                          ", what the widest codes of this basis should reach, found " +
                          std::to_string(max_kld));
  }
  while (high - low > 1) {  // `high` is enough, `low` is not
    const int64_t middle = low + (high - low) / 2;
    const Status status = plan_widths(file, rules, middle);
    const bool enough = status.ok() && predicted_kld(file) <= max_kld;
    (enough ? high : low) = middle;
  }
  return plan_widths(file, rules, high);
}

Result<std::vector<FrontPoint>> predicted_front(BasisFile file) {
  const bool rank_only = is_rank_only(file);
  const WidthRules rules = width_rules(rank_only);
  const auto n = double(elements_per_token(file));
  std::vector<FrontPoint> front;
  for (int i = 1; i <= 20; ++i) {
    const double bits = rank_only ? 0.8 * i : 0.5 + 0.25 * i;
    if (!plan_widths(file, rules, int64_t(bits * n)).ok()) continue;
    front.push_back({file.bits_per_element, file.bits_per_element * n / 8, predicted_kld(file)});
  }
  if (!front.empty()) return front;
  LK_RETURN_IF_ERROR(plan_widths(file, rules, int64_t(n)));  // says why
  return front;
}

}  // namespace lowkey::calib
