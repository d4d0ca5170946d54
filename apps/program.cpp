#include "apps/program.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "apps/commands.h"

namespace lowkey::apps {

namespace {

/// stdout is data: everything that is said goes to stderr.
void log_to_stderr() {
  spdlog::drop("lowkey");  // of an earlier call
  auto logger = spdlog::stderr_color_mt("lowkey");
  logger->set_pattern("%^%v%$");
  spdlog::set_default_logger(logger);
  spdlog::set_level(spdlog::level::warn);
}

/// The words after the program's name, last one first, as CLI11 takes them. Its short options have
/// one letter: llama-bench's -pg becomes --pg.
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (std::ranges::find(words, "bench") != words.end()) std::ranges::replace(words, "-pg", "--pg");
  std::ranges::reverse(words);
  return words;
}

int parse(CLI::App& program, int argc, char** argv) {
  try {
    program.parse(words_of(argc, argv));
  } catch (const CLI::ParseError& error) {
    const bool asked_for_text = error.get_exit_code() == 0;  // --help, --version
    const int code = program.exit(error, asked_for_text ? std::cout : std::cerr, std::cerr);
    return code == 0 ? 0 : 2;
  }
  return -1;
}

}  // namespace

int run_program(int argc, char** argv) {
  log_to_stderr();
  CLI::App program("Decodes language models on CPUs with a rank-reduced, mixed-width KV cache.",
                   "lowkey");
  program.set_version_flag("--version", "lowkey 0.1.0");
  program.require_subcommand(1);
  program.add_flag_callback(
      "-v,--verbose", [] { spdlog::set_level(spdlog::level::info); },
      "Say what is chosen and done, on stderr");
  Status status;
  add_run_command(program, status);
  add_chat_command(program, status);
  add_perplexity_command(program, status);
  add_bench_command(program, status);
  add_calibrate_command(program, status);
  add_plan_command(program, status);
  add_compare_command(program, status);
  add_tokenize_command(program, status);
  add_inspect_command(program, status);
  add_models_command(program, status);
  try {
    if (const int code = parse(program, argc, argv); code >= 0) return code;
  } catch (const std::exception& error) {  // out of memory in a container, most likely
    spdlog::error("error: {}", error.what());
    return 1;
  }
  if (status.ok()) return 0;
  spdlog::error("error: {}", status.error().message());
  return status.error().exit_code();
}

}  // namespace lowkey::apps
