// The planner: which widths a budget buys under a policy, and what divergence to expect of them.
// Needs only what a basis file holds.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "calib/allocate/widths.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

enum class Policy {
  kUniform,  // every layer, side and head the same
  kV1,       // StiefAttention's v1: every layer's output the same error
  kV2,       // StiefAttention's v2: layer after layer, weighted by position
  kGlobal,   // least expected divergence
};

/// "uniform", "v1", "v2", "global", or empty: global. An unknown name lists them.
Result<Policy> find_policy(std::string_view name);

/// Whether the widths stored are ranks: coordinates kept as bf16 or not at all.
bool is_rank_only(const models::BasisFile& file);

/// What may be stored: of ranks, or of mixed widths.
WidthRules width_rules(bool rank_only);

/// Widths by the file's policy of at most `budget_bits` per token. v1 and v2 need the file's error
/// surfaces: kUnsupported without.
Status plan_widths(models::BasisFile& file, const WidthRules& rules, int64_t budget_bits);

/// Divergence to expect of one layer's keys and values, each coded alone.
struct SideCosts {
  double k = 0, v = 0;
};

/// Sensitivity * error of every layer's sides, errors corrected by how they were measured to fall.
std::vector<SideCosts> expected_costs(const models::BasisFile& file);

/// Their sum: what the layers cost one by one.
double expected_sum(const models::BasisFile& file);

/// Divergence end to end to expect of a sum, and of the file's present widths.
double predicted_kld(const models::ErrorProfile& profile, double sum);
double predicted_kld(const models::BasisFile& file);

/// Bits per token of the file's present widths.
int64_t planned_bits(const models::BasisFile& file);

/// The fewest bits per token whose predicted divergence is at most `max_kld`, and the file with
/// these widths. kInvalidArgument if even the widest widths exceed it.
Status plan_for_kld(models::BasisFile& file, const WidthRules& rules, double max_kld);

struct FrontPoint {
  double bits_per_element = 0;
  double bytes_per_token = 0;
  double kld = 0;  // predicted
};

/// What each budget would give, from few bytes to many.
Result<std::vector<FrontPoint>> predicted_front(models::BasisFile file);

}  // namespace lowkey::calib
