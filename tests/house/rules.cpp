#include "tests/house/rules.h"

namespace lowkey::house {

const std::vector<Rule>& all_rules() {
  static const std::vector<Rule> rules = {
      {"includes", check_includes},
      {"file-size", check_file_sizes},
      {"line", check_line_lengths},
      {"function", check_functions},
      {"door", check_doors},
      {"silence", check_silence},
      {"leftover", check_leftovers},
      {"ops", check_ops},
      {"tests", check_tests_are_built},
      {"map", check_map},
  };
  return rules;
}

}  // namespace lowkey::house
