#include <map>
#include <regex>
#include <set>

#include "tests/house/rules.h"

namespace lowkey::house {

namespace {

struct Include {
  std::string target;
  bool quoted = false;
  int line = 0;
};

std::vector<Include> includes_of(const SourceFile& file) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*(["<])([^">]+)[">])re");
  std::vector<Include> includes;
  int line = 0;
  for (const std::string& text : file.lines()) {
    ++line;
    std::smatch match;
    if (!std::regex_search(text, match, kInclude)) continue;
    includes.push_back({match[2], match[1] == "\"", line});
  }
  return includes;
}

/// Place in the chain; two rooms of the same rank never meet.
const std::map<std::string, int>& ranks() {
  static const std::map<std::string, int> ranks = {{"base", 0},   {"simd", 1},  {"models", 1},
                                                   {"engine", 2}, {"calib", 3}, {"apps", 4},
                                                   {"tests", 5},  {"bench", 5}};
  return ranks;
}

std::string first_folder(const std::string& path) { return path.substr(0, path.find('/')); }

}  // namespace

Findings check_includes(const Tree& tree) {
  std::set<std::string> paths;
  for (const SourceFile& file : tree) paths.insert(file.path);
  Findings findings;
  for (const SourceFile& file : tree) {
    const auto from = ranks().find(file.room());
    if (!file.is_cpp() || from == ranks().end()) continue;
    for (const Include& include : includes_of(file)) {
      const auto to = ranks().find(first_folder(include.target));
      const bool ours = to != ranks().end() && include.target.find('/') != std::string::npos;
      if (include.quoted && !paths.count(include.target)) {
        findings.push_back({file.path, include.line,
                            "\"" + include.target + "\" is no path from the repository's root"});
      } else if (ours && to->first != from->first && to->second >= from->second) {
        findings.push_back(
            {file.path, include.line,
             from->first + " must not include " + to->first + " (" + include.target + ")"});
      }
    }
  }
  return findings;
}

Findings check_doors(const Tree& tree) {
  struct Door {
    const char* what;
    std::regex target;
    std::regex allowed;
  };
  static const std::vector<Door> doors = {
      {"oneTBB", std::regex("^(oneapi/)?tbb/"), std::regex("^base/tasks\\.cpp$")},
      {"oneDNN", std::regex("dnnl"), std::regex("^engine/gemm[^/]*\\.cpp$")},
      {"xsimd", std::regex("^xsimd/"), std::regex("^simd/")},
      {"Eigen", std::regex("^Eigen/"), std::regex("^(tests/)?calib/")},
      {"PCRE2", std::regex("^pcre2"), std::regex("^models/tokenizer/regex\\.cpp$")},
      {"libzip", std::regex("^zip\\.h$"), std::regex("^(apps|tests/apps)/models_get/")},
      {"CLI11", std::regex("^CLI/"), std::regex("^apps/")},
      {"spdlog", std::regex("^spdlog/"), std::regex("^apps/")},
  };
  Findings findings;
  for (const SourceFile& file : tree) {
    if (!file.is_cpp()) continue;
    for (const Include& include : includes_of(file)) {
      for (const Door& door : doors) {
        if (include.quoted || !std::regex_search(include.target, door.target)) continue;
        if (std::regex_search(file.path, door.allowed)) continue;
        findings.push_back({file.path, include.line, std::string(door.what) + " has another door"});
      }
    }
  }
  return findings;
}

}  // namespace lowkey::house
