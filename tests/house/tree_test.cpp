// This repository obeys its own rules.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "tests/house/rules.h"

namespace lowkey::house {

// Named in failures instead of the bytes of the struct. GoogleTest looks for it beside Rule.
void PrintTo(const Rule& rule, std::ostream* out);
void PrintTo(const Rule& rule, std::ostream* out) { *out << rule.name; }

namespace {

const Tree& repository() {
  static const Tree tree = load_tree(LOWKEY_SOURCE_DIR);
  return tree;
}

/// "RULE PATH" of each line of exceptions.txt.
std::set<std::string> exceptions() {
  std::set<std::string> entries;
  std::ifstream file(LOWKEY_SOURCE_DIR "/tests/house/exceptions.txt");
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') entries.insert(line);
  }
  return entries;
}

class TreeTest : public ::testing::TestWithParam<Rule> {};

TEST_P(TreeTest, Obeys) {
  const std::set<std::string> allowed = exceptions();
  std::string found;
  for (const Finding& finding : GetParam().check(repository())) {
    if (allowed.count(std::string(GetParam().name) + " " + finding.path)) continue;
    found += finding.path + ":" + std::to_string(finding.line) + ": " + finding.what + "\n";
  }
  EXPECT_TRUE(found.empty()) << found;
}

INSTANTIATE_TEST_SUITE_P(Rules, TreeTest, ::testing::ValuesIn(all_rules()), [](const auto& rule) {
  std::string name = rule.param.name;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
});

TEST(Tree, EveryExceptionIsStillNeeded) {
  std::set<std::string> needed;
  for (const Rule& rule : all_rules()) {
    for (const Finding& finding : rule.check(repository())) {
      needed.insert(std::string(rule.name) + " " + finding.path);
    }
  }
  for (const std::string& entry : exceptions()) {
    EXPECT_TRUE(needed.count(entry)) << "remove from exceptions.txt: " << entry;
  }
}

TEST(Tree, WasReallyRead) {
  std::set<std::string> rooms;
  for (const SourceFile& file : repository()) rooms.insert(file.room());
  for (const char* room : {"base", "simd", "models", "engine", "calib", "apps", "tests"}) {
    EXPECT_TRUE(rooms.count(room)) << room;
  }
  EXPECT_GT(repository().size(), 100u);
}

}  // namespace
}  // namespace lowkey::house
