#include <regex>
#include <set>

#include "tests/house/rules.h"

namespace lowkey::house {

namespace {

void find_all(const SourceFile& file, const std::string& text, const std::regex& pattern,
              const std::string& what, Findings& findings) {
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match) {
    findings.push_back(
        {file.path, file.line_of(size_t(match->position())), what + ": " + match->str()});
  }
}

}  // namespace

Findings check_silence(const Tree& tree) {
  static const std::set<std::string> kLibrary = {"base", "simd", "models", "engine", "calib"};
  static const std::regex kNoise(
      R"(\b(printf|fprintf|vfprintf|puts|fputs|putchar|abort|exit|_exit|terminate)\s*\(|)"
      R"(\bstd::(cout|cerr|clog)\b)");
  Findings findings;
  for (const SourceFile& file : tree) {
    if (!file.is_cpp() || !kLibrary.count(file.room())) continue;
    if (file.path == "base/check.h") continue;  // our own bugs end there
    find_all(file, file.code, kNoise, "the library returns a Result instead", findings);
  }
  return findings;
}

Findings check_leftovers(const Tree& tree) {
  static const std::regex kMarks(R"(\b(TODO|FIXME|XXX|HACK)\b)");
  static const std::regex kNative(R"(-m(arch|cpu|tune)=native)");
  Findings findings;
  for (const SourceFile& file : tree) {
    if (file.is_cpp()) {
      find_all(file, file.comments, kMarks, "an issue holds what is left to do", findings);
    } else if (!file.ends_with(".md") && file.room() != "bench") {
      find_all(file, file.text, kNative, "a build must run on other machines too", findings);
    }
  }
  return findings;
}

Findings check_tests_are_built(const Tree& tree) {
  static const std::regex kTest(R"(\bTEST(_F|_P)?\s*\()");
  std::set<std::string> paths;
  for (const SourceFile& file : tree) paths.insert(file.path);
  Findings findings;
  for (const SourceFile& file : tree) {
    if (!file.is_cpp() || !std::regex_search(file.code, kTest)) continue;
    const size_t end = file.path.find('/', 6);
    const std::string list = file.path.substr(0, end) + "/CMakeLists.txt";
    if (file.room() != "tests" || !file.ends_with("_test.cpp")) {
      findings.push_back({file.path, 1, "tests live in tests/ROOM/*_test.cpp"});
    } else if (end == std::string::npos || !paths.count(list)) {
      findings.push_back({file.path, 1, "expected " + list + " to build it, found none"});
    }
  }
  return findings;
}

Findings check_ops(const Tree& tree) {
  static const std::regex kOp(R"(\(\*(\w+)\)\()");
  std::set<std::string> paths;
  std::string test_code;
  const SourceFile* table = nullptr;
  for (const SourceFile& file : tree) {
    paths.insert(file.path);
    if (file.path.rfind("tests/simd/", 0) == 0 && file.is_cpp()) test_code += file.code;
    if (file.path == "simd/kernel_set.h") table = &file;
  }
  if (!table) return {{"simd/kernel_set.h", 0, "expected the table of all ops, found none"}};
  Findings findings;
  int n_ops = 0;
  for (std::sregex_iterator match(table->code.begin(), table->code.end(), kOp), end; match != end;
       ++match) {
    const std::string op = (*match)[1];
    if (op == "supported") continue;
    ++n_ops;
    const int line = table->line_of(size_t(match->position()));
    if (!paths.count("simd/scalar/" + op + ".cpp")) {
      findings.push_back({table->path, line, op + " has no oracle simd/scalar/" + op + ".cpp"});
    }
    const bool own_test = paths.count("tests/simd/" + op + "_test.cpp") > 0;
    if (!own_test && !std::regex_search(test_code, std::regex("(\\.|->)" + op + "\\("))) {
      findings.push_back({table->path, line, "no test in tests/simd calls " + op});
    }
  }
  if (n_ops == 0) findings.push_back({table->path, 1, "expected ops in the table, found none"});
  return findings;
}

Findings check_map(const Tree& tree) {
  static const std::set<std::string> kRooms = {"base", "simd",  "models", "engine", "calib",
                                               "apps", "tests", "bench",  "cmake",  "docs"};
  static const std::regex kData("^tests/(golden|fuzz/corpus)/.");
  static const std::regex kNamed(R"(`([a-z0-9_./-]+/)`)");
  std::set<std::string> folders;
  const SourceFile* map = nullptr;
  for (const SourceFile& file : tree) {
    if (file.path == "docs/MAP.md") map = &file;
    if (!kRooms.count(file.room())) continue;
    for (size_t slash = file.path.find('/'); slash != std::string::npos;
         slash = file.path.find('/', slash + 1)) {
      const std::string folder = file.path.substr(0, slash + 1);
      if (!std::regex_search(folder, kData)) folders.insert(folder);
    }
  }
  if (!map) return {{"docs/MAP.md", 0, "expected a map of the folders, found none"}};
  Findings findings;
  std::set<std::string> named;
  for (std::sregex_iterator match(map->text.begin(), map->text.end(), kNamed), end; match != end;
       ++match) {
    const std::string folder = (*match)[1];
    named.insert(folder);
    if (folders.count(folder)) continue;
    findings.push_back({map->path, map->line_of(size_t(match->position())),
                        "expected folder " + folder + ", found none"});
  }
  for (const std::string& folder : folders) {
    if (!named.count(folder)) findings.push_back({map->path, 1, "does not name `" + folder + "`"});
  }
  return findings;
}

}  // namespace lowkey::house
