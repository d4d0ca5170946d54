#include "apps/common/sampling.h"

namespace lowkey::apps {

void add_sampling_options(CLI::App& command, engine::SamplerOptions& o) {
  command.add_option("--temp", o.temperature, "Temperature; 0 is greedy")->capture_default_str();
  command.add_option("--top-k", o.top_k, "Draw from the k best; 0: all")->capture_default_str();
  command.add_option("--top-p", o.top_p, "Draw from the best that make up p")
      ->capture_default_str();
  command.add_option("--min-p", o.min_p, "Drop those below min-p of the best")
      ->capture_default_str();
  command.add_option("--repeat-penalty", o.repeat_penalty, "1: none")->capture_default_str();
  command.add_option("--repeat-last-n", o.repeat_last, "Tokens it looks back on")
      ->capture_default_str();
  command.add_option("--seed", o.seed, "The same seed gives the same text")->capture_default_str();
}

}  // namespace lowkey::apps
