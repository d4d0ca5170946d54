// SentencePiece models: pieces with scores, joined by score (BPE) or chosen by Viterbi (unigram).
// Kudo and Richardson 2018; Kudo 2018 for the unigram model.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/tokenizer/subword.h"
#include "models/tokenizer/vocab.h"

namespace lowkey::models {

struct SentencePieceOptions {
  bool prefix_space = true;        // add_space_prefix: " " before text at the start
  bool collapse_spaces = false;    // remove_extra_whitespaces: runs to one, none at the ends
  bool has_charsmap = false;       // a table of normalisations, which leave plain ASCII alone
  std::optional<int32_t> unknown;  // stands for characters that have neither piece nor bytes
};

/// What both share: normalised text in, pieces of it to ids.
class SentencePiece : public SubwordModel {
 public:
  Status append(std::string_view text, bool at_start, std::vector<int32_t>& ids) const override;
  /// kInvalidData if some text could not be written in tokens.
  Status check() const;

 protected:
  SentencePiece(const std::vector<std::string>& pieces, const std::vector<Token>& tokens,
                SentencePieceOptions options);
  /// Appends the ids of `text`, in which spaces are already written as "▁".
  virtual void encode(std::string_view text, std::vector<int32_t>& ids) const = 0;
  /// A character outside the vocabulary: its bytes if they have tokens, else one unknown.
  void append_unknown(std::string_view character, std::vector<int32_t>& ids) const;

  TokenIndex pieces_;  // by text as in the file
  SentencePieceOptions options_;
  std::array<int32_t, 256> byte_ids_;
};

/// `pieces`: the texts in the file (with "▁") by id; `tokens` gives kinds, scores and the bytes
/// of byte tokens. kInvalidData if a character could be left without any token.
Result<std::shared_ptr<const SubwordModel>> make_sentencepiece_bpe(
    const std::vector<std::string>& pieces, const std::vector<Token>& tokens,
    SentencePieceOptions options);
Result<std::shared_ptr<const SubwordModel>> make_sentencepiece_unigram(
    const std::vector<std::string>& pieces, const std::vector<Token>& tokens,
    SentencePieceOptions options);

/// "<0x0A>" -> 10; empty if it is not exactly that form.
std::optional<uint8_t> byte_of_piece(std::string_view piece);

/// "▁Hello▁" -> " Hello ".
std::string unescape_spaces(std::string_view piece);

}  // namespace lowkey::models
