#include "apps/calibrate/options.h"

#include "calib/allocate/budget.h"
#include "calib/plan.h"

namespace lowkey::apps {

namespace {

void add_machine_options(CLI::App& command, CalibrateCommand& o) {
  CommonOptions& common = o.common;
  add_model_option(command, common);
  add_engine_options(command, common);
  add_exact_options(command, common);
  add_cache_option(command, common);
  command.add_option("-b,--basis", common.basis);
  without_effect(command,
                 {"--cache", "--basis", "--low-memory", "--outliers", "--kv-budget", "--adapt",
                  "--adapt-moments", "--adapt-every", "--adapt-rate", "--adapt-versions"});
  command.add_option("--output,--format", common.output, "Format of stdout")
      ->check(CLI::IsMember({"text", "json"}));
}

void add_text_options(CLI::App& command, CalibrateCommand& o) {
  command.add_option("--text", o.text, "Text to learn from; without it the model writes its own");
  command.add_option("--tokens", o.n_tokens, "How many of its tokens")->check(CLI::PositiveNumber);
  command.add_option("--chunk", o.calibrate.n_chunk, "Tokens of a context")
      ->check(CLI::Range(64, 1 << 20))
      ->capture_default_str();
  command
      .add_option("-c,--context", o.calibrate.n_positions,
                  "Positions that the keys' code must fit: the longest context to be used")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--seed", o.calibrate.seed,
                     "Of the model's own samples, and of methods that learn");
  command
      .add_option("--restarts", o.calibrate.restarts,
                  "learned, stief: tries of every layer from other seeds, of which the best stays")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

void add_code_options(CLI::App& command, CalibrateCommand& o) {
  command
      .add_option("--method", o.calibrate.method,
                  "k-svd, eigen, kq-svd, fisher, learned, end-to-end, stief, hadamard")
      ->capture_default_str();
  command.add_option("--space", o.calibrate.space, "post-rope or pre-rope")->capture_default_str();
  command
      .add_option("--centring", o.calibrate.centring,
                  "Keys: none, mean, rotary; default: rotary where it can be decoded")
      ->capture_default_str();
  auto* joint =
      command.add_flag("--joint", o.calibrate.joint, "One basis over the KV heads of a layer");
  command
      .add_flag("--shared-keys", o.calibrate.shared_keys,
                "The same key basis for all KV heads of a layer, as stief has it")
      ->excludes(joint);
}

void add_budget_options(CLI::App& command, CalibrateCommand& o) {
  auto* bits = command.add_option("--bits", o.calibrate.bits, "Mean bits per element, all counted")
                   ->capture_default_str();
  auto* bytes =
      command.add_option("--kv-bytes-per-token", o.kv_bytes_per_token, "The same as bytes");
  auto* keep =
      command.add_option("--keep", o.calibrate.keep, "Rank only (bf16): share of coordinates");
  auto* budget = command.add_option(
      "--budget", o.budget, "Bits per element (2.5b), 96B/token, or a cache's size (4GiB@32k)");
  auto* max_kld = command.add_option("--max-kld", o.calibrate.max_kld,
                                     "The fewest bytes whose predicted divergence is below this");
  max_kld->check(CLI::PositiveNumber);
  const std::vector<CLI::Option*> all = {bits, bytes, keep, budget, max_kld};
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = i + 1; j < all.size(); ++j) all[i]->excludes(all[j]);
  }
  command.add_option("--rank-k", o.calibrate.rank_k, "Rank only (bf16): coordinates of a key");
  command.add_option("--rank-v", o.calibrate.rank_v, "Rank only (bf16): coordinates of a value");
  command.add_flag("--rank-only", o.calibrate.rank_only,
                   "Ranks in bf16 instead of mixed widths, under --budget or --max-kld");
  command.add_option("--policy", o.calibrate.policy,
                     "Who gets the bits: uniform, v1, v2, global (default)");
  command.add_flag("--correct", o.calibrate.correct,
                   "Measure what sides cost in company too; keep that if it helps");
}

void add_sweep_options(CLI::App& command, CalibrateCommand& o) {
  command
      .add_flag("--sweep", o.sweep,
                "Measure the front of methods and controls; -o is then json, csv or svg")
      ->excludes("--resume");
  const auto list = [&](const char* name, auto& values, const char* help) {
    command.add_option(name, values, help)->delimiter(',')->capture_default_str();
  };
  list("--methods", o.methods,
       "Sweep: methods, a list; those that learn take long; default: k-svd,eigen,kq-svd,fisher");
  list("--policies", o.policies, "Sweep: policies, a list");
  list("--controls", o.controls, "Sweep: full-rank caches, a list");
  list("--sweep-bits", o.sweep_bits, "Sweep: bits per element, a list");
  list("--bases", o.bases, "Sweep: basis files made before, as further methods or instead of them");
  list("-f,--file", o.judges,
       "Sweep: texts to judge by; default: what of --text was not learned from");
  command.add_option("--svg", o.svg, "Sweep: also write the plot to this file")->needs("--sweep");
  command.add_option("--csv", o.csv, "Sweep: also write the table to this file")->needs("--sweep");
  command
      .add_option("--judge-context", o.n_judge_context,
                  "Sweep: tokens of a context to judge by; default: --chunk")
      ->check(CLI::PositiveNumber);
  command.add_option("--chunks", o.n_judge_chunks, "Sweep: contexts to judge by, of each text")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

Status check_sweep(const CalibrateCommand& o) {
  if (!o.out.empty() && o.out != "json" && o.out != "csv" && o.out != "svg") {
    return make_error(ErrorCode::kInvalidArgument, "-o",
                      "expected json, csv or svg with --sweep, found '" + o.out + "'");
  }
  if (o.text.empty() && (!o.methods.empty() || o.judges.empty())) {
    return make_error(ErrorCode::kInvalidArgument, "--sweep",
                      "expected a --text to learn from or to judge by, found none");
  }
  for (const std::string& policy : o.policies) LK_RETURN_IF_ERROR(calib::find_policy(policy));
  for (const std::string& method : o.methods) LK_RETURN_IF_ERROR(calib::find_method(method));
  for (const std::string& control : o.controls) {
    LK_RETURN_IF_ERROR(engine::parse_cache_type(control));
  }
  return {};
}

}  // namespace

void add_calibrate_options(CLI::App& command, CalibrateCommand& o) {
  add_machine_options(command, o);
  add_text_options(command, o);
  add_code_options(command, o);
  add_budget_options(command, o);
  command.add_flag("--resume", o.resume,
                   "Go on where the same calibration was stopped (OUT.partial has what it did)");
  add_sweep_options(command, o);
  command.add_option("-o,--out", o.out, "The .lkb file; default: in the cache folder");
}

Status complete_options(const models::ModelConfig& c, CalibrateCommand& o) {
  const int64_t n_elements = int64_t{2} * c.n_layers * c.n_kv();
  if (o.kv_bytes_per_token > 0) o.calibrate.bits = 8.0 * o.kv_bytes_per_token / double(n_elements);
  LK_RETURN_IF_ERROR(calib::find_policy(o.calibrate.policy));
  if (o.sweep && o.methods.empty() && o.bases.empty()) {
    o.methods = {"k-svd", "eigen", "kq-svd", "fisher"};
  }
  if (o.sweep) LK_RETURN_IF_ERROR(check_sweep(o));
  o.calibrate.surfaces = true;
  if (o.budget.empty()) return {};
  LK_ASSIGN(const calib::Budget budget, calib::parse_budget(o.budget));
  LK_ASSIGN(o.calibrate.budget_bits,
            calib::budget_bits(budget, n_elements, o.calibrate.n_sinks + o.calibrate.window));
  return {};
}

}  // namespace lowkey::apps
