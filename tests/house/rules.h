// The house rules. Each looks at a whole tree of files and returns what breaks it.
#pragma once

#include <string>
#include <vector>

#include "tests/house/source_file.h"

namespace lowkey::house {

struct Finding {
  std::string path;
  int line = 0;
  std::string what;
};
using Findings = std::vector<Finding>;
using Tree = std::vector<SourceFile>;

/// A room includes only rooms to its left: base <- {simd, models} <- engine <- calib <- apps <-
/// {tests, bench}; quoted includes are written from the root and exist.
Findings check_includes(const Tree& tree);
/// Files under 300 lines, headers under 150 (but not x-inl.h, which holds bodies).
Findings check_file_sizes(const Tree& tree);
/// Lines of at most 100 characters.
Findings check_line_lengths(const Tree& tree);
/// Functions of at most 60 lines, 6 parameters and 3 levels of nested control flow.
Findings check_functions(const Tree& tree);
/// Each outside library is included from its one place only.
Findings check_doors(const Tree& tree);
/// Library rooms do not print, abort or exit.
Findings check_silence(const Tree& tree);
/// No to-do marks in comments; no build for the machine that happens to compile.
Findings check_leftovers(const Tree& tree);
/// Every op of the kernel table has its oracle and a test that calls it.
Findings check_ops(const Tree& tree);
/// Every file with tests is one that the build picks up.
Findings check_tests_are_built(const Tree& tree);
/// docs/MAP.md names every folder that exists (but test data's inner ones), and only those.
Findings check_map(const Tree& tree);

struct Rule {
  const char* name;
  Findings (*check)(const Tree&);
};
/// All of the above, by the names that exceptions.txt uses.
const std::vector<Rule>& all_rules();

}  // namespace lowkey::house
