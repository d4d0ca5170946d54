#include "calib/fit.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "calib/build.h"
#include "calib/plan.h"
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
  Files files;
  for (const double bits :
       o.rank_only ? std::vector{8.0, 9.75, 11.75, 13.5} : std::vector{1.5, 2.0, 3.0, 4.0}) {
    BasisFile planned = file;
    LK_RETURN_IF_ERROR(
        plan_widths(planned, rules, int64_t(bits * double(elements_per_token(file)))));
    profile.measured_bits.push_back(planned.bits_per_element);
    profile.measured_sum.push_back(expected_sum(planned));
    files.push_back(std::make_shared<const BasisFile>(std::move(planned)));
  }
  LK_ASSIGN(profile.measured_kld, measure_divergences(engine, held_back, files, probe_options(o),
                                                      stage(o, "checking predictions")));
  for (double& kld : profile.measured_kld) kld = std::max(kld, 0.0);
  const PowerLaw law = fit_power_law(profile.measured_sum, profile.measured_kld);
  profile.kld_scale = law.scale;
  profile.kld_exponent = law.exponent;
  return {};
}

Result<Correction> correct_sensitivities(const engine::Engine& engine,
                                         std::span<const int32_t> tokens,
                                         std::span<const int32_t> held_back, const FitOptions& o,
                                         BasisFile& file) {
  const auto before = std::make_shared<const BasisFile>(file);
  SensitivityOptions marginal;
  marginal.n_sinks = o.n_sinks;
  marginal.window = o.window;
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
  const Files both = {before, std::make_shared<const BasisFile>(after)};
  LK_ASSIGN(const auto klds, measure_divergences(engine, held_back, both, probe_options(o),
                                                 stage(o, "checking the correction")));
  const Correction result{klds[0], klds[1], klds[1] < klds[0]};
  if (result.kept) file = std::move(after);
  return result;
}

}  // namespace lowkey::calib
