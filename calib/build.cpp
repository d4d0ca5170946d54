#include "calib/build.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "calib/allocate/gaussian.h"

namespace lowkey::calib {
namespace {

using models::BasisFile;
using models::HeadBasis;
using models::SideBasis;

/// Places of coordinates in storage.
std::vector<Eigen::Index> storage_order(const Basis& basis, CoordinateOrder order) {
  if (order == CoordinateOrder::kImportance) return by_importance(basis);
  std::vector<Eigen::Index> places(size_t(basis.variances.size()));
  std::iota(places.begin(), places.end(), Eigen::Index{0});
  return places;
}

/// The same code with latents of mean variance 1. Metrics come in any unit, but full latents are
/// kept as f16: without this those of sinks, far out of the ordinary, would overflow.
Basis unit_variance(Basis basis) {
  const double mean = basis.variances.mean();
  if (!(mean > 0)) return basis;
  const double scale = 1.0 / std::sqrt(mean);
  basis.encoder *= scale;
  basis.decoder /= scale;
  basis.variances *= scale * scale;
  basis.costs /= scale * scale;
  return basis;
}

HeadBasis to_file(const Basis& unscaled, CoordinateOrder order) {
  const Basis basis = unit_variance(unscaled);
  const auto places = storage_order(basis, order);
  const Eigen::Index d = Eigen::Index(places.size());
  HeadBasis out;
  for (Eigen::Index i = 0; i < d; ++i) {
    const Eigen::Index row = places[size_t(i)];
    for (Eigen::Index j = 0; j < d; ++j) out.encoder.push_back(float(basis.encoder(row, j)));
    out.variances.push_back(float(basis.variances(row)));
    out.costs.push_back(float(basis.costs(row)));
    out.mean.push_back(float(basis.mean(i)));
  }
  for (Eigen::Index i = 0; i < d; ++i) {
    for (Eigen::Index j = 0; j < d; ++j) {
      out.decoder.push_back(float(basis.decoder(i, places[size_t(j)])));
    }
  }
  out.widths.assign(size_t(d), 0);
  out.steps.assign(size_t(d), 0.0f);
  return out;
}

void note(const Basis& basis, SolverReport* report) {
  if (!report) return;
  report->residual = std::max(report->residual, basis.residual);
  report->orthonormality = std::max(report->orthonormality, basis.orthonormality);
  report->biorthogonality = std::max(report->biorthogonality, basis.biorthogonality);
}

/// Calls body(side) for K and V of every layer, in a fixed order.
template <class File, class Body>
void for_each_side(File& file, const Body& body) {
  for (auto& layer : file.layers) {
    body(layer.k);
    body(layer.v);
  }
}

// Noise that hurts alike: variance of a score per coordinate, share of a value's own.
constexpr double kScoreNoise = 0.004, kValueNoise = 0.05;

double importance_of(const HeadBasis& head, size_t i) {
  return double(head.costs[i]) * double(head.variances[i]);
}

double total_importance(const SideBasis& side) {
  double total = 0;
  for (const HeadBasis& head : side.heads) {
    for (size_t i = 0; i < head.widths.size(); ++i) total += importance_of(head, i);
  }
  return total;
}

/// All sides' sets in a fixed order; scale(side) multiplies their importances.
template <class Scale>
std::vector<CoordinateSet> coordinate_sets(const BasisFile& file, const Scale& scale) {
  std::vector<CoordinateSet> sets;
  for_each_side(file, [&](const SideBasis& side) {
    for (CoordinateSet& set : side_sets(side, scale(side))) sets.push_back(std::move(set));
  });
  return sets;
}

float step_of(int width, float variance) {
  if (width == 0 || width == kBf16Width) return 0.0f;
  const double sigma = std::sqrt(std::max(double(variance), 1e-30));
  return float(step_of_width(width) * sigma);
}

void set_widths(BasisFile& file, const Allocation& allocation) {
  std::span<const std::vector<uint8_t>> left = allocation.widths;
  for_each_side(file, [&](SideBasis& side) {
    set_side_widths(side, left.first(side.heads.size()));
    left = left.subspan(side.heads.size());
  });
  file.bits_per_element = double(allocation.bits) / double(elements_per_token(file));
}

// Bits per key below which a fast pair's mean is not worth the kernels' time.
constexpr double kCheapPairBits = 0.05;

Result<Basis> solve_keys(const LayerStatistics& statistics, const ProblemOptions& options,
                         const Method& method, int head) {
  LK_ASSIGN(const Problem keys, key_problem(statistics, options, head));
  LK_ASSIGN(Basis basis, method.solve(keys));
  if (options.centring != Centring::kRotary) return basis;
  const std::vector<int> left_in = cheap_pairs(basis, options.rotary, kCheapPairBits);
  if (left_in.empty()) return basis;
  LK_ASSIGN(const Problem without, key_problem(statistics, options, head, left_in));
  return method.solve(without);
}

Error refused(std::string what) {
  return make_error(ErrorCode::kInvalidArgument, "rank of latents", std::move(what));
}

}  // namespace

Result<models::LayerBasis> build_layer(const LayerStatistics& statistics,
                                       const BuildOptions& options, SolverReport* report) {
  ProblemOptions problem = options.problem;
  problem.second_order = options.method->second_order;
  const int n = statistics.plan.joint ? 1 : statistics.shape.n_kv_heads;
  models::LayerBasis layer;
  for (int head = 0; head < n; ++head) {
    LK_ASSIGN(const Basis k, solve_keys(statistics, problem, *options.method, head));
    LK_ASSIGN(const Problem values, value_problem(statistics, problem, head));
    LK_ASSIGN(const Basis v, options.method->solve(values));
    note(k, report);
    note(v, report);
    layer.k.heads.push_back(to_file(k, options.order));
    layer.v.heads.push_back(to_file(v, options.order));
  }
  return layer;
}

double expected_error(const SideBasis& side) {
  double error = 0;
  for (const HeadBasis& head : side.heads) {
    for (size_t i = 0; i < head.widths.size(); ++i) {
      error += importance_of(head, i) * distortion_of_width(head.widths[i]);
    }
  }
  return error;
}

std::vector<CoordinateSet> side_sets(const SideBasis& side, double scale) {
  std::vector<CoordinateSet> sets;
  for (const HeadBasis& head : side.heads) {
    CoordinateSet set;
    for (size_t i = 0; i < head.widths.size(); ++i) {
      const double own = importance_of(head, i) * scale;
      set.importance.push_back(i == 0 ? own : std::min(own, set.importance.back()));
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

std::vector<std::vector<uint8_t>> side_widths(const SideBasis& side) {
  std::vector<std::vector<uint8_t>> widths;
  for (const HeadBasis& head : side.heads) widths.push_back(head.widths);
  return widths;
}

void set_side_widths(SideBasis& side, std::span<const std::vector<uint8_t>> widths) {
  for (size_t h = 0; h < side.heads.size(); ++h) {
    HeadBasis& head = side.heads[h];
    head.widths = widths[h];
    for (size_t i = 0; i < head.widths.size(); ++i) {
      head.steps[i] = step_of(head.widths[i], head.variances[i]);
    }
  }
}

void set_prior_sensitivities(BasisFile& file) {
  const double d = file.head_dim, n_heads = file.n_kv_heads;
  for (models::LayerBasis& layer : file.layers) {
    layer.k.sensitivity = 1.0 / (d * kScoreNoise);
    layer.v.sensitivity = n_heads * d / (std::max(total_importance(layer.v), 1e-30) * kValueNoise);
  }
}

void set_share_sensitivities(BasisFile& file) {
  for_each_side(file, [](SideBasis& side) {
    side.sensitivity = 1.0 / std::max(total_importance(side) * distortion_of_width(0), 1e-30);
  });
}

int64_t elements_per_token(const BasisFile& file) {
  return 2 * int64_t(file.layers.size()) * file.n_kv_heads * file.head_dim;
}

Status assign_widths(BasisFile& file, int64_t budget_bits, const WidthRules& rules,
                     std::span<const double> factors) {
  size_t i = 0;
  const auto sets = coordinate_sets(file, [&](const SideBasis& side) {
    return side.sensitivity * (factors.empty() ? 1.0 : factors[i++]);
  });
  LK_ASSIGN(const Allocation allocation, allocate_widths(sets, budget_bits, rules));
  set_widths(file, allocation);
  return {};
}

Status assign_ranks(BasisFile& file, int rank_k, int rank_v) {
  const int d = file.layers.empty() ? 0 : file.layers[0].k.heads[0].d();
  if (std::min(rank_k, rank_v) < 0 || std::max(rank_k, rank_v) > d) {
    return refused("expected ranks from 0 to " + std::to_string(d) + ", found " +
                   std::to_string(rank_k) + " and " + std::to_string(rank_v));
  }
  Allocation allocation;
  for (size_t l = 0; l < file.layers.size(); ++l) {
    for (int rank : {rank_k, rank_v}) {
      const size_t n_heads = file.layers[l].k.heads.size();
      std::vector<uint8_t> widths(size_t(d), uint8_t{0});
      std::fill_n(widths.begin(), rank, uint8_t{kBf16Width});
      allocation.widths.insert(allocation.widths.end(), n_heads, widths);
      allocation.bits += int64_t(n_heads) * rank * kBf16Width;
    }
  }
  set_widths(file, allocation);
  return {};
}

Status assign_keep(BasisFile& file, double keep) {
  if (!(keep >= 0 && keep <= 1)) {
    return refused("expected a share to keep from 0 to 1, found " + std::to_string(keep));
  }
  const WidthRules bf16{{0, kBf16Width}, 1, 0};
  const auto sets = coordinate_sets(file, [](const SideBasis& side) { return side.sensitivity; });
  const auto n_kept = int64_t(keep * double(elements_per_token(file)) + 0.5);
  LK_ASSIGN(const Allocation allocation, allocate_widths(sets, n_kept * kBf16Width, bf16));
  set_widths(file, allocation);
  return {};
}

}  // namespace lowkey::calib
