#include "tests/house/functions.h"

#include <algorithm>
#include <cctype>
#include <regex>

#include "tests/house/rules.h"

namespace lowkey::house {

namespace {

enum class Scope { kOuter, kFunction, kControl, kOther };

std::string squeeze(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool blank = std::isspace(static_cast<unsigned char>(c));
    if (!blank) out += c;
    if (blank && !out.empty() && out.back() != ' ') out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

/// `text` with everything inside (), [] and <> removed: what stands at the outermost level.
std::string outermost(const std::string& text) {
  std::string out;
  int depth = 0;
  for (const char c : text) {
    if (c == '(' || c == '[' || c == '<') ++depth;
    if (depth == 0) out += c;
    if (c == ')' || c == ']' || c == '>') depth = std::max(depth - 1, 0);
  }
  return out;
}

bool is_control(const std::string& head) {
  static const std::regex kControl(R"(^(\} ?)?(if|for|while|switch|do|else)\b)");
  return std::regex_search(head, kControl);
}

Scope classify(const std::string& head, bool inside_function) {
  static const std::regex kOuter(R"(\b(namespace|class|struct|union|extern)\b)");
  if (inside_function) return is_control(head) ? Scope::kControl : Scope::kOther;
  const std::string top = outermost(head);
  if (std::regex_search(top, std::regex(R"(\benum\b)"))) return Scope::kOther;
  if (head.find('(') == std::string::npos) {
    return std::regex_search(top, kOuter) || head.empty() ? Scope::kOuter : Scope::kOther;
  }
  if (std::regex_search(top, std::regex(R"(\b(class|struct|union)\b[^(]*$)")) &&
      top.find("operator") == std::string::npos) {
    // `struct Name final : Base<decltype(f())>` is a type, `struct stat f(int)` a function.
    if (std::regex_search(head,
                          std::regex(R"(^(template ?<.*> ?)?(class|struct|union)\b[^(]*(:|$))"))) {
      return Scope::kOuter;
    }
  }
  const bool assigns =
      top.find('=') != std::string::npos && top.find("operator") == std::string::npos;
  return assigns ? Scope::kOther : Scope::kFunction;
}

/// Whether the brace after `head` is a member's initialiser, as in `Foo(int a) : a_{a} {`.
bool is_member_initialiser(const std::string& head) {
  static const std::regex kList(R"(\)( const| noexcept)* ?:[^:])");
  if (head.empty() || !std::regex_search(head, kList)) return false;
  const char last = head.back();
  return std::isalnum(static_cast<unsigned char>(last)) || last == '_' || last == '>';
}

size_t matching(const std::string& text, size_t open, char close) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    depth += text[i] == text[open];
    depth -= text[i] == close;
    if (depth == 0) return i;
  }
  return text.size();
}

/// Parameters between the parentheses at `open`.
int count_parameters(const std::string& head, size_t open) {
  const size_t close = matching(head, open, ')');
  const std::string inside = squeeze(head.substr(open + 1, close - open - 1));
  if (inside.empty() || inside == "void") return 0;
  int depth = 0, n = 1;
  for (const char c : inside) {
    depth += c == '(' || c == '<' || c == '[' || c == '{';
    depth -= c == ')' || c == '>' || c == ']' || c == '}';
    n += c == ',' && depth == 0;
  }
  return n;
}

int n_parameters(const std::string& head) {
  static const std::regex kNotAName(R"(\b(requires|alignas|decltype|__attribute__|noexcept) ?$)");
  for (size_t open = head.find('('); open != std::string::npos; open = head.find('(', open + 1)) {
    const std::string before = head.substr(0, open);
    const bool call_operator =
        before.size() >= 8 && before.compare(before.size() - 8, 8, "operator") == 0;
    if (!call_operator && !std::regex_search(before, kNotAName))
      return count_parameters(head, open);
    open = matching(head, open, ')');
  }
  return 0;
}

class Scanner {
 public:
  explicit Scanner(const SourceFile& file) : file_(file), code_(file.code) {}

  std::vector<FunctionShape> scan() {
    for (; at_ < code_.size(); ++at_) {
      const char c = code_[at_];
      parentheses_ += (c == '(') - (c == ')');
      if (c == ';' && parentheses_ == 0) head_begin_ = at_ + 1;
      if (c == '{') open();
      if (c == '}') close();
    }
    return std::move(found_);
  }

 private:
  struct Level {
    Scope scope;
    int parentheses;
  };

  void open() {
    const std::string head = squeeze(code_.substr(head_begin_, at_ - head_begin_));
    const bool inside = function_level_ >= 0;
    if (!inside && (parentheses_ > 0 || is_member_initialiser(head))) {  // or a default argument
      at_ = matching(code_, at_, '}');
      return;
    }
    const Scope scope = classify(head, inside);
    if (scope == Scope::kFunction) begin_function(head);
    if (scope == Scope::kControl)
      found_.back().nesting = std::max(found_.back().nesting, ++controls_);
    levels_.push_back({scope, parentheses_});
    parentheses_ = 0;
    head_begin_ = at_ + 1;
  }

  void close() {
    if (levels_.empty()) return;
    const Level level = levels_.back();
    levels_.pop_back();
    parentheses_ = level.parentheses;
    if (level.scope == Scope::kControl) --controls_;
    if (level.scope == Scope::kFunction && int(levels_.size()) == function_level_) {
      function_level_ = -1;
      FunctionShape& function = found_.back();
      function.n_lines = file_.line_of(at_) - function.first_line + 1;
    }
    head_begin_ = at_ + 1;
  }

  void begin_function(const std::string& head) {
    size_t begin = head_begin_;
    while (std::isspace(static_cast<unsigned char>(code_[begin]))) ++begin;
    found_.push_back({head, file_.line_of(begin), 0, n_parameters(head), 0});
    function_level_ = int(levels_.size());
    controls_ = 0;
  }

  const SourceFile& file_;
  const std::string& code_;
  std::vector<FunctionShape> found_;
  std::vector<Level> levels_;
  size_t at_ = 0, head_begin_ = 0;
  int parentheses_ = 0, controls_ = 0, function_level_ = -1;
};

}  // namespace

std::vector<FunctionShape> find_functions(const SourceFile& file) { return Scanner(file).scan(); }

Findings check_functions(const Tree& tree) {
  constexpr int kMaxLines = 60, kMaxParameters = 6, kMaxNesting = 3;
  Findings findings;
  for (const SourceFile& file : tree) {
    if (!file.is_cpp()) continue;
    for (const FunctionShape& f : find_functions(file)) {
      const auto report = [&](const char* what, int limit, int found) {
        if (found <= limit) return;
        findings.push_back({file.path, f.first_line,
                            "expected at most " + std::to_string(limit) + " " + what + ", found " +
                                std::to_string(found) + ": " + f.head.substr(0, 60)});
      };
      report("lines", kMaxLines, f.n_lines);
      report("parameters", kMaxParameters, f.n_parameters);
      report("levels of nesting", kMaxNesting, f.nesting);
    }
  }
  return findings;
}

}  // namespace lowkey::house
