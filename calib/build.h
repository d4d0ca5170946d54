// From statistics to the bases of a layer, and from bases and sensitivities to widths.
#pragma once

#include <span>
#include <vector>

#include "calib/allocate/widths.h"
#include "calib/problem.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

enum class CoordinateOrder {
  kMethod,      // as the method ranks them: rank-only codes
  kImportance,  // by falling cost * variance: mixed widths
};

struct BuildOptions {
  const Method* method = nullptr;
  ProblemOptions problem;  // second_order is taken from the method
  CoordinateOrder order = CoordinateOrder::kImportance;
};

/// Worst figures of the solvers over a layer.
struct SolverReport {
  double residual = 0;
  double orthonormality = 0;
  double biorthogonality = 0;
};

/// Bases of one layer, widths all 0, sensitivities 1. `report`, if given, is raised to the worst.
Result<models::LayerBasis> build_layer(const LayerStatistics& statistics,
                                       const BuildOptions& options, SolverReport* report);

/// Error that the present widths should leave on one side of a layer, in units of its metric:
/// sum over coordinates of cost * variance * distortion. A measured divergence divided by this is
/// the side's sensitivity.
double expected_error(const models::SideBasis& side);

/// Sensitivities before anything is measured, under which errors hurt alike: a key's error counts
/// in absolute scores, a value's relative to what the layer adds.
void set_prior_sensitivities(models::BasisFile& file);

/// The same of ranks, whose errors are far larger: the whole of every side's error counts 1.
void set_share_sensitivities(models::BasisFile& file);

/// Elements of a token over all layers, heads and both sides.
int64_t elements_per_token(const models::BasisFile& file);

/// What allocation sees of a side: one set per head, importances times `scale`. Rounding to float,
/// and orders other than by importance, are evened out by a running minimum.
std::vector<CoordinateSet> side_sets(const models::SideBasis& side, double scale);

/// Widths, one row per head.
std::vector<std::vector<uint8_t>> side_widths(const models::SideBasis& side);

/// Sets widths, one row per head, and the steps that go with them.
void set_side_widths(models::SideBasis& side, std::span<const std::vector<uint8_t>> widths);

/// Shares out `budget_bits` per token and sets widths, steps and bits_per_element. Needs only
/// what the file holds, so that a smaller budget can be had from the same file later. `factors`,
/// [layers][K, V] or none, multiply the sensitivities.
Status assign_widths(models::BasisFile& file, int64_t budget_bits, const WidthRules& rules,
                     std::span<const double> factors = {});

/// Rank only, in bf16: the first rank_k / rank_v coordinates of every head.
Status assign_ranks(models::BasisFile& file, int rank_k, int rank_v);

/// Rank only, in bf16: `keep` of all coordinates (0..1), given out over heads, sides and layers by
/// the error that a coordinate takes away times its side's sensitivity.
Status assign_keep(models::BasisFile& file, double keep);

}  // namespace lowkey::calib
