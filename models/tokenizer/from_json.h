// Reads Hugging Face's tokenizer.json and tokenizer_config.json.
#pragma once

#include <string>
#include <string_view>

#include "models/tokenizer/pre_tokenizer.h"
#include "models/tokenizer/tokenizer.h"

namespace lowkey::models {

/// Texts of the files; an absent one is empty.
struct TokenizerFiles {
  std::string tokenizer;      // tokenizer.json
  std::string config;         // tokenizer_config.json
  std::string chat_template;  // chat_template.jinja, stronger than the config's
};

/// Byte-level BPE only; kUnsupported for other models, normalisers other than NFC (which is
/// left out: nearly all text is in NFC already) and pre-tokenisers that are not splits.
Result<Tokenizer> tokenizer_from_json(const TokenizerFiles& files, const std::string& where);

/// The same from the files of a folder; kNotFound without a tokenizer.json.
Result<Tokenizer> tokenizer_from_folder(const std::string& folder);

struct JsonPreTokenizer {
  PreTokenizer words;
  bool is_byte_level = false;
  bool prefix_space = false;
};

/// The "pre_tokenizer" part: Sequence, Split, Digits and ByteLevel. `json_text` is its JSON.
Result<JsonPreTokenizer> pre_tokenizer_from_json(std::string_view json_text,
                                                 const std::string& where);

}  // namespace lowkey::models
