// Byte-level BPE (GPT-2): words of bytes, joined in the order of a learnt list of merges.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/tokenizer/merge.h"
#include "models/tokenizer/pre_tokenizer.h"
#include "models/tokenizer/subword.h"
#include "models/tokenizer/vocab.h"

namespace lowkey::models {

struct ByteBpeOptions {
  bool whole_words_first = false;  // Llama-3's ignore_merges: a word that is a token is one
  bool prefix_space = false;       // a space before text that starts without one
};

class ByteBpe : public SubwordModel {
 public:
  /// `texts`: byte-level texts by id as in the file, of ordinary tokens (empty for others).
  /// `merges`: pairs of such texts by rank. kInvalidData if a merge names an unknown token.
  static Result<std::shared_ptr<const ByteBpe>> create(
      const std::vector<std::string>& texts,
      const std::vector<std::pair<std::string, std::string>>& merges, PreTokenizer words,
      ByteBpeOptions options);

  /// A byte that the vocabulary lacks is left out, as in the reference implementations.
  Status append(std::string_view text, bool at_start, std::vector<int32_t>& ids) const override;

 private:
  ByteBpe() = default;
  Status add_merges(const TokenIndex& by_text,
                    const std::vector<std::pair<std::string, std::string>>& merges);
  void encode_word(std::string_view word, std::vector<Symbol>& symbols) const;

  PreTokenizer words_;
  ByteBpeOptions options_;
  std::array<int32_t, 256> byte_ids_{};
  std::unordered_map<uint64_t, Merge> merges_;  // by the two ids
  TokenIndex by_bytes_;                         // filled only for whole_words_first
};

}  // namespace lowkey::models
