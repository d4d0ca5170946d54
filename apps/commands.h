// Every command adds itself to the program; what it says when it ran ends up in `status`.
#pragma once

#include <CLI/CLI.hpp>

#include "base/result.h"

namespace lowkey::apps {

void add_run_command(CLI::App& program, Status& status);
void add_chat_command(CLI::App& program, Status& status);
void add_perplexity_command(CLI::App& program, Status& status);
void add_tokenize_command(CLI::App& program, Status& status);
void add_inspect_command(CLI::App& program, Status& status);
void add_models_command(CLI::App& program, Status& status);
void add_bench_command(CLI::App& program, Status& status);
void add_calibrate_command(CLI::App& program, Status& status);
void add_compare_command(CLI::App& program, Status& status);
void add_plan_command(CLI::App& program, Status& status);

}  // namespace lowkey::apps
