#include "apps/perplexity/multiple_choice.h"

#include <spdlog/fmt/fmt.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/console/progress.h"
#include "apps/console/stop.h"
#include "engine/eval/multiple_choice.h"

namespace lowkey::apps {

namespace {

void print(const CommonOptions& common, const engine::ChoiceOptions& options,
           const std::vector<engine::ChoiceTask>& tasks, const engine::ChoiceScoring& scoring,
           const engine::ChoiceResult& r) {
  if (!common.json()) {
    fmt::print("Final result: {:.2f} +/- {:.2f} % of {} tasks, {:.2f} % by chance\n",
               100.0 * r.accuracy, 100.0 * r.accuracy_stderr, tasks.size(),
               100.0 / options.n_choices);
    fmt::print("KV cache: {:.0f} bytes/token\n", r.kv_bytes_per_token);
    return;
  }
  std::vector<int> truths;
  for (const engine::ChoiceTask& task : tasks) truths.push_back(task.truth);
  const nlohmann::json json = {{"accuracy", r.accuracy},
                               {"accuracy_stderr", r.accuracy_stderr},
                               {"n_tasks", tasks.size()},
                               {"n_choices", options.n_choices},
                               {"choice_tokens", options.n_answer},
                               {"n_ctx", options.n_context},
                               {"seed", options.seed},
                               {"cache", engine::cache_name(scoring.cache)},
                               {"kv_bytes_per_token", r.kv_bytes_per_token},
                               {"picks", r.picks},
                               {"truths", truths},
                               {"truth_nll", r.truth_nll},
                               {"seconds", r.seconds}};
  std::cout << json.dump() << '\n';
}

}  // namespace

void add_multiple_choice_options(CLI::App& command, MultipleChoiceOptions& o) {
  auto* wanted = command.add_flag(
      "--multiple-choice", o.wanted,
      "Instead: which of four passages of the text goes on from the context? Share of right "
      "answers");
  const auto only_then = [&](CLI::Option* option) { option->needs(wanted); };
  only_then(command
                .add_option("--multiple-choice-tasks", o.n_tasks,
                            "How many tasks; 0: as many as the text gives")
                ->check(CLI::NonNegativeNumber));
  only_then(command.add_option("--choice-tokens", o.n_answer, "Tokens of every choice")
                ->check(CLI::PositiveNumber)
                ->capture_default_str());
  only_then(command.add_option("--seed", o.seed, "Of the wrong answers")->capture_default_str());
}

Status run_multiple_choice(const CommonOptions& common, const MultipleChoiceOptions& o,
                           const engine::Engine& engine, const models::Tokenizer& tokenizer,
                           std::span<const int32_t> tokens) {
  engine::ChoiceOptions options;
  options.n_context = common.n_context > 0 ? common.n_context : 512;
  options.n_tasks = o.n_tasks;
  options.n_answer = o.n_answer;
  options.seed = o.seed;
  LK_ASSIGN(const auto tasks, engine::make_choice_tasks(tokens, options));
  engine::ChoiceScoring scoring;
  LK_ASSIGN(scoring.cache, cache_spec(common, engine));
  scoring.n_batch = common.low_memory ? 64 : 512;
  if (tokenizer.adds_bos()) scoring.bos = tokenizer.bos();
  watch_for_stop();
  Progress progress("multiple choice", "tasks");
  scoring.progress = [&](int done, int total, double accuracy) {
    if (!common.quiet) {
      progress.update(done, total, fmt::format("{:.2f} % right", 100.0 * accuracy));
    }
    return !stop_requested();
  };
  LK_ASSIGN(const engine::ChoiceResult result,
            engine::answer_choices(engine, tokens, tasks, options, scoring));
  print(common, options, tasks, scoring, result);
  return {};
}

}  // namespace lowkey::apps
