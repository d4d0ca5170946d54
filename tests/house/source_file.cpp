#include "tests/house/source_file.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace lowkey::house {

namespace fs = std::filesystem;

namespace {

/// Walks C++ text once and sorts every character into code, comment or neither.
class Cutter {
 public:
  explicit Cutter(SourceFile& file) : file_(file), text_(file.text) {
    file_.code.assign(text_.size(), ' ');
    file_.comments.assign(text_.size(), ' ');
    for (size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] == '\n') file_.code[i] = file_.comments[i] = '\n';
    }
  }

  void cut() {
    while (at_ < text_.size()) {
      if (starts("//")) {
        copy_comment(text_.find('\n', at_));
      } else if (starts("/*")) {
        copy_comment(after(text_.find("*/", at_ + 2), 2));
      } else if (starts("R\"")) {
        skip_raw_string();
      } else if (text_[at_] == '"' || (text_[at_] == '\'' && !in_number())) {
        skip_literal(text_[at_]);
      } else if (text_[at_] == '#' && begins_line()) {
        skip_directive();
      } else {
        file_.code[at_] = text_[at_];
        ++at_;
      }
    }
  }

 private:
  bool starts(const char* token) const { return text_.compare(at_, 2, token) == 0; }
  size_t after(size_t found, size_t n) const {
    return found == std::string::npos ? found : found + n;
  }
  bool in_number() const {
    return at_ > 0 && std::isdigit(static_cast<unsigned char>(text_[at_ - 1]));
  }
  bool begins_line() const {
    size_t i = at_;
    while (i > 0 && text_[i - 1] == ' ') --i;
    return i == 0 || text_[i - 1] == '\n';
  }
  void copy_comment(size_t end) {
    end = std::min(end, text_.size());
    for (; at_ < end; ++at_) file_.comments[at_] = text_[at_];
  }
  void skip_literal(char quote) {
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }
  void skip_raw_string() {
    const size_t open = text_.find('(', at_);
    if (open == std::string::npos) return void(at_ = text_.size());
    const std::string close = ")" + text_.substr(at_ + 2, open - at_ - 2) + "\"";
    at_ = std::min(after(text_.find(close, open), close.size()), text_.size());
  }
  void skip_directive() {
    while (at_ < text_.size() && (text_[at_] != '\n' || text_[at_ - 1] == '\\')) {
      if (starts("//")) return;
      ++at_;
    }
  }

  SourceFile& file_;
  const std::string& text_;
  size_t at_ = 0;
};

bool is_ours(const fs::path& path) {
  static const std::vector<std::string> kEndings = {".h",  ".cpp", ".cc", ".cmake", ".txt",
                                                    ".sh", ".py",  ".md", ".json"};
  const std::string ending = path.extension().string();
  return path.filename() == "Makefile" || path.filename() == ".clang-tidy" ||
         std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

void load(const fs::path& root, const fs::path& path, std::vector<SourceFile>& files) {
  if (!is_ours(path)) return;
  std::ifstream stream(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  files.push_back(make_source(fs::relative(path, root).generic_string(), std::move(text)));
}

}  // namespace

bool SourceFile::ends_with(const std::string& tail) const {
  return path.size() >= tail.size() &&
         path.compare(path.size() - tail.size(), tail.size(), tail) == 0;
}

std::string SourceFile::room() const {
  const size_t slash = path.find('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

int SourceFile::line_of(size_t offset) const {
  return 1 + int(std::count(text.begin(), text.begin() + std::ptrdiff_t(offset), '\n'));
}

std::vector<std::string> SourceFile::lines() const {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

SourceFile make_source(std::string path, std::string text) {
  SourceFile file{std::move(path), std::move(text), "", ""};
  Cutter(file).cut();
  return file;
}

std::vector<SourceFile> load_tree(const std::string& root) {
  std::vector<SourceFile> files;
  for (const auto& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file()) load(root, entry.path(), files);
    if (!entry.is_directory() || name[0] == '.' || name.rfind("build", 0) == 0) continue;
    for (const auto& inner : fs::recursive_directory_iterator(entry)) {
      if (inner.is_regular_file()) load(root, inner.path(), files);
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

}  // namespace lowkey::house
