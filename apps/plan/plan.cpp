// `lowkey plan`: what a basis file's front looks like and what a budget buys, without running the
// model.
#include "calib/plan.h"

#include <iostream>
#include <memory>

#include "apps/commands.h"
#include "apps/common/options.h"
#include "apps/plan/report.h"
#include "calib/allocate/budget.h"
#include "calib/build.h"

namespace lowkey::apps {

namespace {

constexpr int64_t kExactTokens = 4 + 32;  // that a latent cache keeps unless told otherwise

struct Options {
  CommonOptions common;
  double max_kld = 0;
  std::string policy, write, format = "text";
};

Result<std::string> basis_path(const CommonOptions& o) {
  if (o.basis != "auto") return o.basis;
  if (o.model.empty()) {
    return make_error(ErrorCode::kInvalidArgument, "-b auto",
                      "expected the model (-m) that the basis is of, found none");
  }
  LK_ASSIGN(const std::string path, resolve_model(o));
  LK_ASSIGN(const models::Model model, models::load_model(path));
  return default_basis_path(model);
}

/// Widths for what is asked for; the file's own if nothing is.
Status replan(const Options& o, models::BasisFile& file) {
  const calib::WidthRules rules = calib::width_rules(calib::is_rank_only(file));
  if (o.max_kld > 0) return calib::plan_for_kld(file, rules, o.max_kld);
  if (!o.common.budget.empty() || o.common.bits > 0) {
    calib::Budget budget{o.common.bits};
    if (!o.common.budget.empty()) {
      LK_ASSIGN(budget, calib::parse_budget(o.common.budget));
    }
    LK_ASSIGN(const int64_t bits,
              calib::budget_bits(budget, calib::elements_per_token(file), kExactTokens));
    return calib::plan_widths(file, rules, bits);
  }
  return o.policy.empty() ? Status() : calib::plan_widths(file, rules, calib::planned_bits(file));
}

Status run(const Options& o) {
  LK_RETURN_IF_ERROR(calib::find_policy(o.policy));
  LK_ASSIGN(const std::string path, basis_path(o.common));
  PlanReport report;
  LK_ASSIGN(report.file, models::read_basis(path));
  if (!o.policy.empty()) report.file.policy = o.policy;
  LK_RETURN_IF_ERROR(replan(o, report.file));
  LK_ASSIGN(report.front, calib::predicted_front(report.file));
  if (!o.write.empty()) LK_RETURN_IF_ERROR(models::write_basis(o.write, report.file));
  if (o.format == "json") {
    std::cout << plan_json(report).dump() << '\n';
  } else {
    std::cout << (o.format == "svg" ? plan_svg(report) : plan_text(report));
  }
  return {};
}

}  // namespace

void add_plan_command(CLI::App& program, Status& status) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("plan", "What a budget buys of a basis file, without running a model");
  command->add_option("-m,--model", o->common.model, "Model: only to find its basis with -b auto")
      ->envname("LOWKEY_MODEL");
  add_basis_options(*command, o->common);
  command->get_option("--basis")->required();
  auto* max_kld = command->add_option("--max-kld", o->max_kld,
                                      "The fewest bytes whose predicted divergence is below this");
  max_kld->check(CLI::PositiveNumber)
      ->excludes(command->get_option("--bits"))
      ->excludes(command->get_option("--budget"));
  command->add_option("--policy", o->policy, "uniform, v1, v2, global; default: the file's own");
  command->add_option("--write", o->write, "Also write the basis with the planned widths here");
  command->add_option("-o,--output", o->format, "Format of stdout")
      ->check(CLI::IsMember({"text", "json", "svg"}));
  command->callback([o, &status] { status = run(*o); });
}

}  // namespace lowkey::apps
