#include "models/tokenizer/tokenizer.h"

#include <algorithm>

namespace lowkey::models {
namespace {

/// Texts by which model families end a turn or a message, whatever their eos is.
constexpr std::string_view kEnds[] = {
    "<|im_end|>",          "<|eot_id|>", "<|eom_id|>",   "<|endoftext|>", "<|end_of_text|>",
    "<end_of_turn>",       "<|end|>",    "<EOT>",        "_<EOT>",        "</s>",
    "<|end▁of▁sentence|>", "<|eot|>",    "<|endofturn|>"};

}  // namespace

struct Tokenizer::State {
  TokenizerParts parts;
  SpecialTokens specials;
  std::vector<int32_t> ends;
};

Tokenizer::Tokenizer(TokenizerParts parts) {
  auto state = std::make_shared<State>();
  state->specials = SpecialTokens(parts.tokens);
  state->ends = parts.more_ends;
  if (parts.eos) state->ends.push_back(*parts.eos);
  for (std::string_view text : kEnds) {
    const auto id = state->specials.find(text);
    if (id && parts.tokens[size_t(*id)].kind == TokenKind::kControl) state->ends.push_back(*id);
  }
  state->parts = std::move(parts);
  state_ = std::move(state);
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<int32_t> ids;
  if (options.add_bos) {
    if (!bos()) {
      return make_error(ErrorCode::kInvalidArgument, "add_bos",
                        "expected a vocabulary with a token for the beginning, found none");
    }
    ids.push_back(*bos());
  }
  const SubwordModel& model = *state_->parts.model;
  bool at_start = true;
  for (size_t at = 0; at < text.size();) {
    const auto match = state_->specials.next(text, at, options.parse_special);
    const size_t end = match ? match->begin : text.size();
    if (end > at) LK_RETURN_IF_ERROR(model.append(text.substr(at, end - at), at_start, ids));
    if (!match) break;
    ids.push_back(match->id);
    at_start = true;
    at = match->end;
  }
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool show_special) const {
  std::string out;
  bool at_start = true;
  for (int32_t id : ids) {
    std::string_view piece = piece_bytes(id);
    if (is_special(id)) {
      if (show_special) out += piece;
      at_start = true;
      continue;
    }
    if (at_start && state_->parts.strips_space && piece.starts_with(' ')) piece.remove_prefix(1);
    out += piece;
    at_start = size_t(id) < state_->parts.tokens.size() &&
               state_->parts.tokens[size_t(id)].kind == TokenKind::kUserDefined;
  }
  return out;
}

std::string_view Tokenizer::piece_bytes(int32_t id) const {
  if (id < 0 || id >= n_vocab()) return {};
  return state_->parts.tokens[size_t(id)].bytes;
}

bool Tokenizer::is_special(int32_t id) const {
  if (id < 0 || id >= n_vocab()) return false;
  const TokenKind kind = state_->parts.tokens[size_t(id)].kind;
  return kind == TokenKind::kControl || kind == TokenKind::kUnknown;
}

bool Tokenizer::is_end(int32_t id) const {
  return std::find(state_->ends.begin(), state_->ends.end(), id) != state_->ends.end();
}

int Tokenizer::n_vocab() const { return int(state_->parts.tokens.size()); }
std::optional<int32_t> Tokenizer::bos() const { return state_->parts.bos; }
std::optional<int32_t> Tokenizer::eos() const { return state_->parts.eos; }
bool Tokenizer::adds_bos() const { return state_->parts.adds_bos && bos().has_value(); }

std::optional<int32_t> Tokenizer::find(std::string_view special_token_text) const {
  return state_->specials.find(special_token_text);
}

const std::string& Tokenizer::chat_template() const { return state_->parts.chat_template; }

}  // namespace lowkey::models
