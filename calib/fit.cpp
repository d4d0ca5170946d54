#include "calib/fit.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string_view>

#include "calib/build.h"
#include "calib/decay.h"
#include "calib/plan.h"
#include "calib/tap/output_error.h"
#include "calib/tap/probe.h"
#include "calib/tap/sensitivity.h"

namespace lowkey::calib {

namespace {

using models::BasisFile;
using Files = std::vector<std::shared_ptr<const BasisFile>>;

/// Every second position: a context twice as long for the same time.
ProbeOptions probe_options(const FitOptions& o) { return {o.n_chunk, 2, o.n_sinks, o.window}; }

std::function<bool(int64_t, int64_t)> stage(const FitOptions& o, const char* name) {
  if (!o.progress) return {};
  return [&o, name](int64_t done, int64_t total) { return o.progress(name, done, total); };
}

/// Halfway, in the logarithm, between a side's price alone and in company.
double blended(double alone, double marginal, double error) {
  const double in_company = std::max(marginal, 0.1 * alone * error) / std::max(error, 1e-30);
  return std::sqrt(alone * in_company);
}

/// Divergences of `files`; what the checkpoint knows of them as `piece` is not measured again.
Result<std::vector<Divergence>> measure(const engine::Engine& engine,
                                        std::span<const int32_t> held_back, const FitOptions& o,
                                        const char* piece, const Files& files) {
  LK_ASSIGN(WorkLog log, WorkLog::open(o.checkpoint, piece, kDivergenceNumbers));
  const bool plans = std::string_view(piece).starts_with("predictions");
  return measure_divergences(engine, held_back, files, probe_options(o),
                             stage(o, plans ? "checking predictions" : "checking corrections"),
                             std::move(log));
}

/// Bits per token that predictions are fitted at, rising.
std::vector<int64_t> fitted_budgets(const FitOptions& o, const BasisFile& file) {
  std::vector<double> bits =
      o.rank_only ? std::vector{8.0, 9.75, 11.75, 13.5} : std::vector{1.5, 2.0, 3.0, 4.0};
  const bool known = o.known.budget_bits > 0;
  if (known) bits = {bits.front(), bits.back()};
  std::set<int64_t> budgets;
  for (const double b : bits) budgets.insert(int64_t(b * double(elements_per_token(file))));
  if (known) budgets.insert(o.known.budget_bits);
  return {budgets.begin(), budgets.end()};
}

/// Which of two plans is better on the text held back; `file` becomes it. `piece`: the checkpoint's
/// name for it.
Result<Correction> keep_better(const engine::Engine& engine, std::span<const int32_t> held_back,
                               const FitOptions& o, const char* piece, const BasisFile& after,
                               BasisFile& file) {
  const Files both = {std::make_shared<const BasisFile>(file),
                      std::make_shared<const BasisFile>(after)};
  LK_ASSIGN(const auto klds, measure(engine, held_back, o, piece, both));
  const double log_ratio = klds[1].log_mean - klds[0].log_mean;
  const Correction result{klds[0].mean, klds[1].mean, log_ratio, log_ratio < 0};
  if (result.kept) file = after;
  return result;
}

}  // namespace

PowerLaw fit_power_law(std::span<const double> x, std::span<const double> y) {
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!(x[i] > 0) || !(y[i] > 0)) continue;
    const double u = std::log(x[i]), v = std::log(y[i]);
    n += 1;
    sx += u;
    sy += v;
    sxx += u * u;
    sxy += u * v;
  }
  if (n == 0) return {};
  const double spread = sxx - sx * sx / n;
  const double slope = spread > 1e-9 ? (sxy - sx * sy / n) / spread : 1.0;
  const double exponent = slope > 0 ? slope : 1.0;  // more error is never better
  return {std::exp((sy - exponent * sx) / n), exponent};
}

Status fit_divergence(const engine::Engine& engine, std::span<const int32_t> held_back,
                      const FitOptions& o, BasisFile& file) {
  const WidthRules rules = width_rules(o.rank_only);
  models::ErrorProfile& profile = file.profile;
  profile.measured_bits.clear();
  profile.measured_sum.clear();
  profile.measured_kld.clear();
  Files files;
  const std::vector<int64_t> budgets = fitted_budgets(o, file);
  for (const int64_t bits : budgets) {
    BasisFile planned = file;
    LK_RETURN_IF_ERROR(plan_widths(planned, rules, bits));
    profile.measured_bits.push_back(planned.bits_per_element);
    profile.measured_sum.push_back(expected_sum(planned));
    if (bits != o.known.budget_bits) {
      files.push_back(std::make_shared<const BasisFile>(std::move(planned)));
    }
  }
  LK_ASSIGN(
      const auto measured,
      measure(engine, held_back, o, o.corrected ? "predictions-corrected" : "predictions", files));
  auto next = measured.begin();
  for (const int64_t bits : budgets) {
    const double kld = bits == o.known.budget_bits ? o.known.kld : (next++)->mean;
    profile.measured_kld.push_back(std::max(kld, 0.0));
  }
  const PowerLaw law = fit_power_law(profile.measured_sum, profile.measured_kld);
  profile.kld_scale = law.scale;
  profile.kld_exponent = law.exponent;
  return {};
}

Result<BasisFile> blended_sensitivities(const BasisFile& file, bool rank_only) {
  const models::ErrorProfile& profile = file.profile;
  if (profile.surfaces.size() != file.layers.size() || file.layers.empty()) {
    return make_error(ErrorCode::kUnsupported, "sensitivities",
                      "expected error surfaces to blend with, found none");
  }
  const size_t level = probed_level(profile, rank_only);
  LK_ASSIGN(const BasisFile coded, file_at_level(file, rank_only, profile.levels[level]));
  BasisFile out = file;
  double log_mean = 0;
  std::vector<double> log_ratios;  // of divergence to output error, [layers][K, V]
  for (size_t l = 0; l < file.layers.size(); ++l) {
    for (const bool keys : {true, false}) {
      const models::SideBasis& side = keys ? coded.layers[l].k : coded.layers[l].v;
      const double kld = std::max(side.sensitivity * expected_error(side), 1e-12);
      const double moved = output_error_alone(profile, l, keys, level);
      log_ratios.push_back(std::log(kld / moved));
      log_mean += log_ratios.back() / double(2 * file.layers.size());
    }
  }
  for (size_t i = 0; i < log_ratios.size(); ++i) {
    models::SideBasis& side = i % 2 == 0 ? out.layers[i / 2].k : out.layers[i / 2].v;
    side.sensitivity *= std::exp(0.5 * (log_mean - log_ratios[i]));
  }
  return out;
}

Result<Correction> blend_sensitivities(const engine::Engine& engine,
                                       std::span<const int32_t> held_back, const FitOptions& o,
                                       int64_t budget_bits, BasisFile& file) {
  LK_ASSIGN(BasisFile blended, blended_sensitivities(file, o.rank_only));
  blended.policy = file.policy = "global";
  const WidthRules rules = width_rules(o.rank_only);
  LK_RETURN_IF_ERROR(plan_widths(file, rules, budget_bits));
  LK_RETURN_IF_ERROR(plan_widths(blended, rules, budget_bits));
  return keep_better(engine, held_back, o, "blend", blended, file);
}

Result<Correction> correct_sensitivities(const engine::Engine& engine,
                                         std::span<const int32_t> tokens,
                                         std::span<const int32_t> held_back, const FitOptions& o,
                                         BasisFile& file) {
  const auto before = std::make_shared<const BasisFile>(file);
  SensitivityOptions marginal;
  marginal.n_chunk = std::min(marginal.n_chunk, o.n_chunk);
  marginal.n_sinks = o.n_sinks;
  marginal.window = o.window;
  marginal.checkpoint = o.checkpoint;
  marginal.piece = "interactions";
  const auto progress = stage(o, "interactions");
  if (progress) marginal.progress = [&](int done, int total) { return progress(done, total); };
  LK_ASSIGN(const auto marginals, measure_marginals(engine, tokens, before, marginal));
  BasisFile after = file;
  for (size_t l = 0; l < after.layers.size(); ++l) {
    models::SideBasis* sides[] = {&after.layers[l].k, &after.layers[l].v};
    for (size_t s = 0; s < 2; ++s) {
      sides[s]->sensitivity =
          blended(sides[s]->sensitivity, marginals[l][s], expected_error(*sides[s]));
    }
  }
  LK_RETURN_IF_ERROR(plan_widths(after, width_rules(o.rank_only), planned_bits(file)));
  return keep_better(engine, held_back, o, "correction", after, file);
}

}  // namespace lowkey::calib
