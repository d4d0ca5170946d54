// The tokens of a model: their bytes, kinds and scores, and how to find one by its text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lowkey::models {

/// GGUF's tokenizer.ggml.token_type, same numbers.
enum class TokenKind : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,      // shapes the text (end of turn); never part of what is shown
  kUserDefined = 4,  // plain text that is always one token
  kUnused = 5,
  kByte = 6,  // SentencePiece's fallback for one byte
};

struct Token {
  std::string bytes;  // as decoded: byte-level and "▁" already undone
  TokenKind kind = TokenKind::kNormal;
  float score = 0;           // log-probability or negative rank (SentencePiece only)
  bool strips_left = false;  // white space next to it in the text belongs to it
  bool strips_right = false;
};

/// Keys are looked up as string_view, without a copy.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
};
using TokenIndex = std::unordered_map<std::string, int32_t, StringHash, std::equal_to<>>;

inline std::optional<int32_t> find_token(const TokenIndex& index, std::string_view text) {
  const auto it = index.find(text);
  if (it == index.end()) return std::nullopt;
  return it->second;
}

}  // namespace lowkey::models
