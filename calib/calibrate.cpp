#include "calib/calibrate.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "base/tasks.h"
#include "calib/budgeting.h"
#include "calib/learn/accept.h"
#include "calib/learn/learn.h"
#include "calib/plan.h"
#include "calib/tap/collect.h"
#include "engine/kv/chunk_table.h"
#include "models/model_hash.h"

namespace lowkey::calib {

namespace {

Status check(const CalibrateOptions& o) {
  const auto expected = [](const char* option, const char* what, const std::string& found) {
    return make_error(ErrorCode::kInvalidArgument, option,
                      std::string("expected ") + what + ", found " + found);
  };
  if (o.space != "post-rope" && o.space != "pre-rope") {
    return expected("--space", "post-rope or pre-rope", o.space);
  }
  if (o.centring != "none" && o.centring != "mean" && o.centring != "rotary") {
    return expected("--centring", "none, mean or rotary", o.centring);
  }
  if (!(o.bits > 0 && o.bits <= 8))
    return expected("--bits", "more than 0, up to 8", std::to_string(o.bits));
  if (!(o.max_kld >= 0)) {
    return expected("--max-kld", "a divergence above 0", std::to_string(o.max_kld));
  }
  if (o.restarts < 1) {
    return expected("--restarts", "a number above 0", std::to_string(o.restarts));
  }
  if (!(o.keep >= 0 && o.keep <= 1)) return expected("--keep", "0 to 1", std::to_string(o.keep));
  return {};
}

StatisticsPlan plan_of(const CalibrateOptions& o, const Method& method) {
  StatisticsPlan plan;
  plan.plain = !method.second_order;
  plan.second_order = method.second_order;
  plan.joint = o.joint;
  plan.pre_rope = o.space == "pre-rope";
  plan.rotary = o.centring == "rotary" && !plan.pre_rope;
  return plan;
}

BuildOptions build_options(const engine::Engine& engine, const CalibrateOptions& o,
                           const Method& method) {
  BuildOptions build;
  build.method = &method;
  build.problem.pre_rope = o.space == "pre-rope";
  build.problem.centring = o.centring == "none"   ? Centring::kNone
                           : o.centring == "mean" ? Centring::kMean
                                                  : Centring::kRotary;
  const models::RopeConfig& rope = engine.config().rope;
  build.problem.rotary = {rope.n_rot, rope.neighbours,
                          engine::fast_pairs(engine::rope_frequencies(rope))};
  build.order = is_rank_only(o) ? CoordinateOrder::kMethod : CoordinateOrder::kImportance;
  return build;
}

models::BasisFile empty_file(const engine::Engine& engine, std::span<const int32_t> tokens,
                             const CalibrateOptions& o) {
  models::BasisFile file;
  file.method = o.method;
  file.space = o.space;
  file.centring = o.centring;
  file.joint = o.joint;
  file.model_hash = models::model_hash(engine.model());
  file.text_hash = sha256_hex(std::as_bytes(tokens));
  file.n_tokens = int64_t(tokens.size());
  file.seed = o.seed;
  file.n_kv_heads = engine.config().n_kv_heads;
  file.head_dim = engine.config().head_dim;
  return file;
}

void raise(SolverReport& to, const SolverReport& by) {
  to.residual = std::max(to.residual, by.residual);
  to.orthonormality = std::max(to.orthonormality, by.orthonormality);
  to.biorthogonality = std::max(to.biorthogonality, by.biorthogonality);
}

/// Bases of all layers, each by one task.
Status solve_layers(const std::vector<LayerStatistics>& statistics, const BuildOptions& build,
                    int n_threads, CalibrateResult& result) {
  const size_t n = statistics.size();
  std::vector<SolverReport> reports(n);
  std::vector<Status> statuses(n);
  result.file.layers.resize(n);
  for_each_task(n_threads, int64_t(n), [&](int64_t l) {
    auto layer = build_layer(statistics[size_t(l)], build, &reports[size_t(l)]);
    if (layer.ok()) {
      result.file.layers[size_t(l)] = std::move(layer).value();
    } else {
      statuses[size_t(l)] = layer.error();
    }
  });
  for (size_t l = 0; l < n; ++l) {
    LK_RETURN_IF_ERROR(statuses[l]);
    raise(result.solver, reports[l]);
  }
  return {};
}

/// Widths at which learned bases must be good: those of budgets on both sides of the one asked for.
Result<std::vector<models::BasisFile>> nested_plans(const models::BasisFile& file,
                                                    const CalibrateOptions& o) {
  const bool rank_only = is_rank_only(o);
  std::vector<models::BasisFile> plans;
  for (const double budget :
       rank_only ? std::vector{0.5, 0.61, 0.73, 0.85} : std::vector{1.0, 1.5, 2.0, 2.5, 3.0, 4.0}) {
    plans.push_back(file);
    LK_RETURN_IF_ERROR(rank_only ? assign_keep(plans.back(), budget)
                                 : reallocate(plans.back(), budget));
  }
  return plans;
}

/// The turned mean where the fused kernels take it; the papers' rank-only codes have none.
const char* usual_centring(const CalibrateOptions& o, const Method& method) {
  const bool own_keys = !o.joint && !o.shared_keys && method.learning != Learning::kStiefel;
  const bool turns = o.space == "post-rope" && own_keys && !is_rank_only(o) && method.has_order;
  return turns ? "rotary" : "mean";
}

LearnOptions learn_options(const engine::Engine& engine, const CalibrateOptions& o,
                           const Method& method) {
  LearnOptions learn;
  learn.problem = build_options(engine, o, method).problem;
  learn.problem.second_order = method.second_order;
  learn.learning = method.learning;
  learn.n_chunk = o.n_chunk;
  learn.n_positions = o.n_positions;
  learn.n_sinks = o.n_sinks;
  learn.window = o.window;
  learn.n_threads = o.n_threads;
  learn.seed = o.seed;
  learn.restarts = o.restarts;
  learn.progress = o.progress;
  learn.on_loss = o.on_loss;
  learn.checkpoint = o.checkpoint;
  return learn;
}

/// Takes back what text held back does not confirm.
Status check_learned(const engine::Engine& engine, const CalibrateOptions& o,
                     std::span<const models::BasisFile> plans, CalibrateResult& result) {
  std::function<bool(int64_t, int64_t)> progress;
  if (o.progress) {
    progress = [&](int64_t done, int64_t total) {
      return o.progress("checking learned bases", done, total);
    };
  }
  // Of the budgets that were learned for, one on either side of the middle.
  const size_t first = plans.size() / 3, n = plans.size() - 2 * first;
  const std::vector<models::BasisFile> some = {plans[first], plans[first + n - 1]};
  LK_ASSIGN(result.acceptance,
            accept_learned(engine, o.held_back, {o.n_chunk, 2, o.n_sinks, o.window}, some,
                           result.file, progress));
  return {};
}

/// Improves the closed form's bases by what the layers make of them. An error has another price
/// afterwards, which is measured anew.
Status refine(const engine::Engine& engine, std::span<const int32_t> tokens,
              const std::vector<LayerStatistics>& statistics, const CalibrateOptions& o,
              CalibrateResult& result) {
  LK_ASSIGN(const Method* method, find_method(o.method));
  models::BasisFile& file = result.file;
  if (method->learning == Learning::kNone) return {};
  LearnOptions learn = learn_options(engine, o, *method);
  LK_ASSIGN(learn.plans, nested_plans(file, o));
  const auto learner = method->learning == Learning::kEndToEnd ? learn_end_to_end : learn_bases;
  LK_ASSIGN(const LearnReport report, learner(engine, tokens, statistics, learn, file));
  result.learned_loss = report.loss;
  const bool checked = method->learning != Learning::kStiefel && !o.held_back.empty();
  if (checked) LK_RETURN_IF_ERROR(check_learned(engine, o, learn.plans, result));
  return set_sensitivities(engine, tokens, o, file, "sensitivity-learned");
}

}  // namespace

nlohmann::json run_description(const engine::Engine& engine, const CalibrateOptions& o) {
  const engine::Context& context = engine.context();
  return {{"kind of work kept", 2},  // rises when pieces of before cannot be gone on from
          {"model", models::model_hash(engine.model())},
          {"kernels", context.kernels->name},
          {"precision", int(context.precision)},
          {"bf16 prefill", context.bf16_prefill},
          {"method", o.method},
          {"space", o.space},
          {"centring", o.centring},
          {"joint", o.joint},
          {"shared-keys", o.shared_keys},
          {"chunk", o.n_chunk},
          {"context", o.n_positions},
          {"sinks", o.n_sinks},
          {"window", o.window},
          {"bits", o.bits},
          {"keep", o.keep},
          {"rank-k", o.rank_k},
          {"rank-v", o.rank_v},
          {"rank-only", o.rank_only},
          {"policy", o.policy},
          {"budget", o.budget_bits},
          {"max-kld", o.max_kld},
          {"surfaces", o.surfaces},
          {"correct", o.correct},
          {"seed", o.seed},
          {"restarts", o.restarts},
          {"sensitivities", o.measure_sensitivity}};
}

Status reallocate(models::BasisFile& file, double bits) {
  return assign_widths(file, int64_t(std::floor(bits * double(elements_per_token(file)))),
                       WidthRules{});
}

Result<CalibrateResult> calibrate(const engine::Engine& engine, std::span<const int32_t> tokens,
                                  const CalibrateOptions& options) {
  CalibrateOptions o = options;
  LK_ASSIGN(const Method* method, find_method(o.method));
  if (o.centring.empty()) o.centring = usual_centring(o, *method);
  LK_RETURN_IF_ERROR(check(o));
  CollectOptions collect;
  collect.plan = plan_of(o, *method);
  collect.n_chunk = o.n_chunk;
  collect.n_positions = o.n_positions;
  collect.n_sinks = o.n_sinks;
  collect.window = o.window;
  collect.n_threads = o.n_threads;
  collect.checkpoint = o.checkpoint;
  if (o.progress) {
    collect.progress = [&](int64_t done, int64_t total) {
      return o.progress("statistics", done, total);
    };
  }
  LK_ASSIGN(const auto statistics, collect_statistics(engine, tokens, collect));

  CalibrateResult result;
  result.file = empty_file(engine, tokens, o);
  LK_RETURN_IF_ERROR(
      solve_layers(statistics, build_options(engine, o, *method), o.n_threads, result));
  models::BasisFile& file = result.file;
  if (o.shared_keys || method->learning == Learning::kStiefel) {
    const LearnOptions learn = learn_options(engine, o, *method);
    LK_RETURN_IF_ERROR(share_key_bases(statistics, learn.problem, *method, file));
  }
  LK_RETURN_IF_ERROR(set_sensitivities(engine, tokens, o, file));
  LK_RETURN_IF_ERROR(refine(engine, tokens, statistics, o, result));
  LK_RETURN_IF_ERROR(spend_budget(engine, tokens, o, result));
  for (const SideCosts& layer : expected_costs(file)) {
    result.expected_k.push_back(layer.k);
    result.expected_v.push_back(layer.v);
  }
  return result;
}

}  // namespace lowkey::calib
