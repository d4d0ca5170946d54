// A conversation to the prompt text that a model was trained on.
#pragma once

#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "models/tokenizer/tokenizer.h"

namespace lowkey::models {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

struct ChatTemplateInput {
  std::span<const ChatMessage> messages;
  bool add_generation_prompt = true;  // end where the assistant begins to speak
  std::string bos_token, eos_token;   // as text
  std::optional<std::time_t> now;     // for templates that tell the date; else the clock
};

/// Renders a Jinja template of the kind that model files carry, as Hugging Face does. The template
/// is not trusted: time, memory and depth are limited. kInvalidArgument if the template refuses
/// the messages (raise_exception), kInvalidData or kUnsupported with the line otherwise.
Result<std::string> render_template(std::string_view source, const ChatTemplateInput& input);

/// The model's own template, ChatML if it has none. Text for encode() with parse_special;
/// encode_chat() also sees to the bos token, which many templates write themselves.
Result<std::string> render_chat(const Tokenizer& tokenizer, std::span<const ChatMessage> messages,
                                bool add_generation_prompt);

/// Ids of the rendered chat, with exactly one bos if the model wants one.
Result<std::vector<int32_t>> encode_chat(const Tokenizer& tokenizer,
                                         std::span<const ChatMessage> messages,
                                         bool add_generation_prompt);

}  // namespace lowkey::models
