#include "models/tokenizer/pre_tokenizer.h"

#include "models/tokenizer/utf8.h"

namespace lowkey::models {

const char kGpt2Pattern[] =
    R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const char kLlama3Pattern[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                              R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char kQwen2Pattern[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                             R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char kDigitPattern[] = R"(\p{N})";

namespace {

struct Named {
  std::string_view names;  // separated by spaces; the first is the usual one
  std::vector<const char*> patterns;
};

/// Families whose converters write a name of their own for the same rules are listed along.
const std::vector<Named>& known() {
  static const std::vector<Named> list = {
      {"gpt-2 default phi-2 mpt olmo jina-es jina-de roberta-bpe gigachat", {kGpt2Pattern}},
      {"smollm starcoder refact command-r codeshell exaone minerva-7b",
       {kDigitPattern, kGpt2Pattern}},
      {"llama-bpe llama3 llama-v3 falcon3 pixtral", {kLlama3Pattern}},
      {"qwen2 deepseek-r1-qwen megrez stablelm2 hunyuan", {kQwen2Pattern}},
  };
  return list;
}

bool lists(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const size_t end = std::min(names.find(' '), names.size());
    if (names.substr(0, end) == name) return true;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return false;
}

}  // namespace

bool takes_whole_words_first(std::string_view name) {
  for (const Named& entry : known()) {
    if (entry.patterns[0] == kLlama3Pattern) return lists(entry.names, name);
  }
  return false;
}

Result<PreTokenizer> PreTokenizer::named(std::string_view name) {
  std::string all;
  for (const Named& entry : known()) {
    all += (all.empty() ? "" : " ") + std::string(entry.names);
    if (!lists(entry.names, name)) continue;
    std::vector<Stage> stages;
    for (const char* pattern : entry.patterns) {
      LK_ASSIGN(auto regex, Regex::compile(pattern));
      stages.push_back({std::move(regex)});
    }
    return PreTokenizer(std::move(stages));
  }
  return make_error(ErrorCode::kUnsupported, "pre-tokeniser",
                    "expected one of: " + all + "; found '" + std::string(name) + "'");
}

Status PreTokenizer::split(std::string_view text, RegexScratch& scratch,
                           FunctionRef<void(std::string_view)> emit) const {
  while (!text.empty()) {
    const size_t n_valid = valid_utf8_prefix(text);
    if (n_valid > 0) LK_RETURN_IF_ERROR(split_stage(0, text.substr(0, n_valid), scratch, emit));
    text.remove_prefix(n_valid);
    if (text.empty()) break;
    const auto n_broken = size_t(next_utf8(text).n_bytes);
    emit(text.substr(0, n_broken));
    text.remove_prefix(n_broken);
  }
  return {};
}

Status PreTokenizer::split_stage(size_t i, std::string_view text, RegexScratch& scratch,
                                 FunctionRef<void(std::string_view)> emit) const {
  if (i == stages_.size()) return emit(text), Status();
  const Stage& stage = stages_[i];
  Status inner;
  auto next = [&](std::string_view piece, bool is_match) {
    const bool drop = stage.behavior == SplitBehavior::kRemoved && is_match != stage.invert;
    if (inner.ok() && !drop) inner = split_stage(i + 1, piece, scratch, emit);
  };
  LK_RETURN_IF_ERROR(stage.regex.split(text, scratch, next));
  return inner;
}

}  // namespace lowkey::models
