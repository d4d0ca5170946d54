// A text file of the repository, cut into what rules look at: code, comments, lines.
#pragma once

#include <string>
#include <vector>

namespace lowkey::house {

struct SourceFile {
  std::string path;  // relative to the repository, with '/'
  std::string text;
  std::string code;      // comments, literals and preprocessor lines blanked, same offsets
  std::string comments;  // everything else blanked

  bool is_cpp() const { return ends_with(".cpp") || ends_with(".h"); }
  bool ends_with(const std::string& tail) const;
  /// First folder of the path, or "" for a file at the top.
  std::string room() const;
  int line_of(size_t offset) const;
  std::vector<std::string> lines() const;
};

/// Cuts `text` as C++.
SourceFile make_source(std::string path, std::string text);

/// Every .h, .cpp, CMake, script, JSON and Markdown file of the repository's own folders.
std::vector<SourceFile> load_tree(const std::string& root);

}  // namespace lowkey::house
