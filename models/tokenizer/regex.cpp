#include "models/tokenizer/regex.h"

#include <algorithm>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace lowkey::models {
namespace {

// Written out because PCRE2 counts U+180E as a space and older versions lack \p{White_Space}.
constexpr char kSpaces[] = R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a})"
                           R"(\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr size_t kMaxPattern = 8192;
constexpr uint32_t kMatchLimit = 10'000'000;
constexpr size_t kJitStackBytes = size_t{8} << 20;

/// Replaces \s everywhere and \S outside of classes by the characters they mean.
std::string spell_out_spaces(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c != '\\' || i + 1 == pattern.size()) {
      if (c == '[') in_class = true;
      if (c == ']') in_class = false;
      out += c;
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's') {
      out += in_class ? kSpaces : "[" + std::string(kSpaces) + "]";
    } else if (escaped == 'S' && !in_class) {
      out += "[^" + std::string(kSpaces) + "]";
    } else {
      out += {'\\', escaped};
    }
  }
  return out;
}

std::string pcre2_words(int code) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

struct CompileContext {
  pcre2_compile_context* raw = pcre2_compile_context_create(nullptr);
  ~CompileContext() { pcre2_compile_context_free(raw); }
};

}  // namespace

struct RegexScratch::State {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 << 10, kJitStackBytes, nullptr);

  State() {
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_heap_limit(context, uint32_t(kJitStackBytes >> 10));
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~State() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

RegexScratch::RegexScratch() : state_(std::make_unique<State>()) {}
RegexScratch::RegexScratch(RegexScratch&&) noexcept = default;
RegexScratch::~RegexScratch() = default;

struct Regex::Code {
  pcre2_code* raw = nullptr;
  ~Code() { pcre2_code_free(raw); }
};

Result<Regex> Regex::compile(std::string_view pattern) {
  const std::string where = "pattern '" + std::string(pattern.substr(0, 80)) + "'";
  if (pattern.size() > kMaxPattern) {
    return make_error(ErrorCode::kInvalidData, where,
                      "expected at most " + std::to_string(kMaxPattern) + " bytes, found " +
                          std::to_string(pattern.size()));
  }
  const std::string spelled = spell_out_spaces(pattern);
  // \C could cut a character in two, and everything after it relies on whole ones.
  const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
  int code = 0;
  size_t offset = 0;
  const CompileContext context;
  pcre2_set_parens_nest_limit(context.raw, 50);
  auto compiled = std::make_shared<Code>();
  compiled->raw = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(spelled.data()), spelled.size(),
                                options, &code, &offset, context.raw);
  if (compiled->raw == nullptr) {
    return make_error(ErrorCode::kInvalidData, where,
                      pcre2_words(code) + " at offset " + std::to_string(offset));
  }
  pcre2_jit_compile(compiled->raw, PCRE2_JIT_COMPLETE);  // without it, matching is only slower
  return Regex(std::move(compiled));
}

Status Regex::split(std::string_view text, RegexScratch& scratch,
                    FunctionRef<void(std::string_view, bool)> emit) const {
  RegexScratch::State& state = *scratch.state_;
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;  // checked once, by the caller
  size_t emitted = 0, at = 0;
  while (at < text.size()) {
    const int rc =
        pcre2_match(code_->raw, subject, text.size(), at, options, state.data, state.context);
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) {
      return make_error(ErrorCode::kInvalidData, "text at byte " + std::to_string(at),
                        "splitting into words gave up: " + pcre2_words(rc));
    }
    const size_t* range = pcre2_get_ovector_pointer(state.data);
    const size_t begin = std::max(range[0], at), end = range[1];
    if (end <= begin) break;  // \K can turn a match inside out: the rest stays one piece
    if (begin > emitted) emit(text.substr(emitted, begin - emitted), false);
    emit(text.substr(begin, end - begin), true);
    emitted = at = end;
  }
  if (emitted < text.size()) emit(text.substr(emitted), false);
  return {};
}

}  // namespace lowkey::models
