#include "calib/budgeting.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "calib/plan.h"
#include "calib/tap/output_error.h"
#include "calib/tap/sensitivity.h"

namespace lowkey::calib {

namespace {

// Coarse enough that a side's divergence stands out of rounding, fine enough that it still grows
// in proportion to the error.
constexpr double kProbeBits = 2.0, kProbeKeep = 0.55;

/// Whether widths follow from measured divergences rather than from ranks that the user gave.
bool has_plan(const CalibrateOptions& o) {
  return !o.policy.empty() || o.budget_bits > 0 || o.max_kld > 0;
}

/// Whether divergences decide anything: not where the user gives the ranks.
bool is_priced(const CalibrateOptions& o) {
  return o.measure_sensitivity && o.rank_k <= 0 && o.rank_v <= 0;
}

/// Widths under which every side has an error that can be measured: the bits of kProbeBits, or the
/// same share of every head's coordinates.
Status assign_probe(const CalibrateOptions& o, models::BasisFile& file) {
  if (!is_rank_only(o)) return reallocate(file, kProbeBits);
  const int d = file.layers[0].k.heads[0].d();
  const double keep = o.keep > 0 ? o.keep : kProbeKeep;
  const int rank = std::min(int(std::lround(keep * d)), d - 1);
  return assign_ranks(file, rank, rank);
}

FitOptions fit_options(const CalibrateOptions& o) {
  FitOptions fit;
  fit.n_chunk = o.n_chunk;
  fit.n_sinks = o.n_sinks;
  fit.window = o.window;
  fit.rank_only = is_rank_only(o);
  fit.progress = o.progress;
  fit.checkpoint = o.checkpoint;
  return fit;
}

Status add_surfaces(const engine::Engine& engine, std::span<const int32_t> tokens,
                    const CalibrateOptions& o, models::BasisFile& file) {
  OutputErrorOptions options;
  options.n_chunk = o.n_chunk;
  options.n_positions = o.n_positions;
  options.n_sinks = o.n_sinks;
  options.window = o.window;
  options.n_threads = o.n_threads;
  options.rank_only = is_rank_only(o);
  options.checkpoint = o.checkpoint;
  if (o.progress) {
    options.progress = [&](int64_t done, int64_t total) {
      return o.progress("error surfaces", done, total);
    };
  }
  return measure_surfaces(engine, tokens, options, file);
}

int64_t budget_of(const CalibrateOptions& o, const models::BasisFile& file) {
  if (o.budget_bits > 0) return o.budget_bits;
  const auto n = double(elements_per_token(file));
  return o.keep > 0 ? int64_t(o.keep * n + 0.5) * 16 : int64_t(std::floor(o.bits * n));
}

/// Where sensitivities are compared: at the budget, or in the middle if a divergence decides it.
int64_t trial_bits(const CalibrateOptions& o, const models::BasisFile& file) {
  if (o.max_kld <= 0) return budget_of(o, file);
  const double bits = is_rank_only(o) ? 16 * kProbeKeep : kProbeBits;
  return int64_t(bits * double(elements_per_token(file)));
}

Status set_widths(const CalibrateOptions& o, models::BasisFile& file) {
  if (o.rank_k > 0 || o.rank_v > 0) {
    return assign_ranks(file, o.rank_k > 0 ? o.rank_k : file.head_dim,
                        o.rank_v > 0 ? o.rank_v : file.head_dim);
  }
  if (o.keep > 0 && !has_plan(o)) return assign_keep(file, o.keep);
  const WidthRules rules = width_rules(is_rank_only(o));
  return o.max_kld > 0 ? plan_for_kld(file, rules, o.max_kld)
                       : plan_widths(file, rules, budget_of(o, file));
}

}  // namespace

bool is_rank_only(const CalibrateOptions& o) {
  return o.rank_only || o.keep > 0 || o.rank_k > 0 || o.rank_v > 0;
}

Status set_sensitivities(const engine::Engine& engine, std::span<const int32_t> tokens,
                         const CalibrateOptions& o, models::BasisFile& file, const char* piece) {
  const bool rank_only = is_rank_only(o);
  if (rank_only) {
    set_share_sensitivities(file);
  } else {
    set_prior_sensitivities(file);
  }
  if (!is_priced(o)) return {};
  LK_RETURN_IF_ERROR(assign_probe(o, file));
  SensitivityOptions options;
  options.n_chunk = std::min(options.n_chunk, o.n_chunk);
  options.n_sinks = o.n_sinks;
  options.window = o.window;
  options.checkpoint = o.checkpoint;
  options.piece = piece;
  if (o.progress) {
    options.progress = [&](int done, int total) { return o.progress("sensitivity", done, total); };
  }
  LK_ASSIGN(
      const auto measured,
      measure_sensitivity(engine, tokens, std::make_shared<models::BasisFile>(file), options));
  for (size_t l = 0; l < measured.size(); ++l) {
    models::SideBasis* sides[] = {&file.layers[l].k, &file.layers[l].v};
    for (size_t side = 0; side < 2; ++side) {
      const double error = std::max(expected_error(*sides[side]), 1e-30);
      sides[side]->sensitivity = std::max(measured[l][side], 1e-7) / error;
    }
  }
  return {};
}

Status spend_budget(const engine::Engine& engine, std::span<const int32_t> tokens,
                    const CalibrateOptions& o, CalibrateResult& result) {
  models::BasisFile& file = result.file;
  LK_ASSIGN(const Policy policy, find_policy(o.policy));
  file.policy = o.policy;
  const bool priced = is_priced(o);
  // Output errors are sampled from two contexts at least; a shorter text does without.
  const bool surfaces = priced && o.surfaces && int64_t(tokens.size()) >= int64_t{2} * o.n_chunk;
  if (surfaces) LK_RETURN_IF_ERROR(add_surfaces(engine, tokens, o, file));
  const bool check = priced && !o.held_back.empty();
  FitOptions fit = fit_options(o);
  if (check && surfaces) {
    const int64_t trial = trial_bits(o, file);
    LK_ASSIGN(result.blend, blend_sensitivities(engine, o.held_back, fit, trial, file));
    file.policy = o.policy;
    const Correction& blend = result.blend;
    const double kld = blend.kept ? blend.kld_after : blend.kld_before;
    if (policy == Policy::kGlobal) fit.known = {trial, kld};
  }
  if (check) LK_RETURN_IF_ERROR(fit_divergence(engine, o.held_back, fit, file));
  LK_RETURN_IF_ERROR(set_widths(o, file));
  if (!check || !o.correct) return {};
  LK_ASSIGN(result.correction, correct_sensitivities(engine, tokens, o.held_back, fit, file));
  if (!result.correction.kept) return {};
  fit.corrected = true;
  fit.known = {};
  LK_RETURN_IF_ERROR(fit_divergence(engine, o.held_back, fit, file));
  return set_widths(o, file);
}

}  // namespace lowkey::calib
