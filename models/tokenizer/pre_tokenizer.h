// Cuts text into the words inside which byte-level BPE merges.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "models/tokenizer/regex.h"

namespace lowkey::models {

/// What becomes of a pattern's matches (Hugging Face's SplitDelimiterBehavior).
enum class SplitBehavior { kIsolated, kRemoved };

class PreTokenizer {
 public:
  struct Stage {
    Regex regex;
    SplitBehavior behavior = SplitBehavior::kIsolated;
    bool invert = false;  // the text between matches plays the matches' part
  };

  PreTokenizer() = default;
  explicit PreTokenizer(std::vector<Stage> stages) : stages_(std::move(stages)) {}

  /// By the name of GGUF's tokenizer.ggml.pre; kUnsupported lists the known names.
  static Result<PreTokenizer> named(std::string_view name);

  /// Emits the words of `text` in order; each stage cuts the previous one's words. Bytes that
  /// are not UTF-8 come out as words of their own, so that nothing is lost.
  Status split(std::string_view text, RegexScratch& scratch,
               FunctionRef<void(std::string_view)> emit) const;

 private:
  Status split_stage(size_t i, std::string_view text, RegexScratch& scratch,
                     FunctionRef<void(std::string_view)> emit) const;

  std::vector<Stage> stages_;
};

/// Whether models with pre-tokeniser `name` take a word that is a token as it is, without merging.
bool takes_whole_words_first(std::string_view name);

/// The patterns behind the names, as the models' own tokenizer.json spell them.
extern const char kGpt2Pattern[];
extern const char kLlama3Pattern[];
extern const char kQwen2Pattern[];
extern const char kDigitPattern[];

}  // namespace lowkey::models
