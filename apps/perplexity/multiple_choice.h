// `lowkey perplexity --multiple-choice`: tasks made of the text, and how many a cache gets right.
#pragma once

#include <CLI/CLI.hpp>
#include <span>

#include "apps/common/options.h"
#include "engine/engine.h"
#include "models/tokenizer/tokenizer.h"

namespace lowkey::apps {

struct MultipleChoiceOptions {
  bool wanted = false;
  int n_tasks = 0;
  int n_answer = 8;
  uint64_t seed = 0;
};

/// --multiple-choice, --multiple-choice-tasks, --choice-tokens, --seed.
void add_multiple_choice_options(CLI::App& command, MultipleChoiceOptions& options);

/// Makes the tasks, answers them with the cache that `common` describes, and prints the result.
Status run_multiple_choice(const CommonOptions& common, const MultipleChoiceOptions& options,
                           const engine::Engine& engine, const models::Tokenizer& tokenizer,
                           std::span<const int32_t> tokens);

}  // namespace lowkey::apps
