#include <algorithm>

#include "tests/house/rules.h"

namespace lowkey::house {

namespace {

constexpr int kMaxFile = 300, kMaxHeader = 150, kMaxColumns = 100;

/// Characters, not bytes: continuation bytes of UTF-8 do not count.
int n_columns(const std::string& line) {
  return int(std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

Findings check_file_sizes(const Tree& tree) {
  Findings findings;
  for (const SourceFile& file : tree) {
    if (!file.is_cpp() && !file.ends_with(".py")) continue;
    // x-inl.h holds bodies that several kernel sets compile: a source file in all but name.
    const bool header = file.ends_with(".h") && !file.ends_with("-inl.h");
    const int limit = header ? kMaxHeader : kMaxFile;
    const int n_lines = int(file.lines().size());
    if (n_lines < limit) continue;
    findings.push_back({file.path, n_lines,
                        "expected fewer than " + std::to_string(limit) + " lines, found " +
                            std::to_string(n_lines)});
  }
  return findings;
}

Findings check_line_lengths(const Tree& tree) {
  Findings findings;
  for (const SourceFile& file : tree) {
    if (file.ends_with(".md") || file.ends_with(".json")) continue;
    if (file.path.rfind("tests/golden/", 0) == 0) continue;
    int number = 0;
    for (const std::string& line : file.lines()) {
      ++number;
      if (n_columns(line) <= kMaxColumns) continue;
      findings.push_back({file.path, number,
                          "expected at most " + std::to_string(kMaxColumns) + " columns, found " +
                              std::to_string(n_columns(line))});
    }
  }
  return findings;
}

}  // namespace lowkey::house
