// Text to token ids and back: the public face of every vocabulary a model file can carry.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/tokenizer/special_tokens.h"
#include "models/tokenizer/subword.h"
#include "models/tokenizer/vocab.h"

namespace lowkey::models {

struct EncodeOptions {
  bool parse_special = false;  // "<|im_end|>" in the text is the token; never for user text
  bool add_bos = false;        // begin with bos(); adds_bos() tells whether the model wants it
};

/// What a loader finds in a file.
struct TokenizerParts {
  std::vector<Token> tokens;  // by id
  std::shared_ptr<const SubwordModel> model;
  std::optional<int32_t> bos, eos;
  std::vector<int32_t> more_ends;  // end of turn, end of message
  bool adds_bos = false;
  bool strips_space = false;  // the space that encoding put at the start is taken away again
  std::string chat_template;  // empty: none
};

/// Immutable, cheap to copy, safe to use from many threads.
class Tokenizer {
 public:
  explicit Tokenizer(TokenizerParts parts);

  /// Ids of any bytes. Byte-level vocabularies with all 256 bytes give them back exactly by
  /// decode(); bytes that a vocabulary lacks are left out. No Unicode normalisation is done:
  /// text is expected in NFC, as nearly all text is. kInvalidArgument for add_bos without a bos.
  Result<std::vector<int32_t>> encode(std::string_view text, EncodeOptions options = {}) const;

  /// Bytes of `ids`, joined; may be invalid UTF-8 (StreamDecoder mends it). Control tokens show
  /// only with `show_special`; ids outside the vocabulary stand for nothing.
  std::string decode(std::span<const int32_t> ids, bool show_special = false) const;

  /// Raw bytes of one token ("<|im_end|>" for a control token), empty for an unknown id. The
  /// view lives as long as any copy of this tokeniser.
  std::string_view piece_bytes(int32_t id) const;

  bool is_special(int32_t id) const;  // a control or unknown token
  bool is_end(int32_t id) const;      // generation stops here: eos, end of turn, end of message
  int n_vocab() const;
  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;
  bool adds_bos() const;
  /// Id of a control or user-defined token by its text.
  std::optional<int32_t> find(std::string_view special_token_text) const;
  const std::string& chat_template() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

/// Tokeniser of a model: from the metadata of a .gguf file, or from the tokenizer.json (with
/// tokenizer_config.json, if there) in a folder or beside a .safetensors file.
Result<Tokenizer> tokenizer_for_model(const std::string& model_path);

}  // namespace lowkey::models
