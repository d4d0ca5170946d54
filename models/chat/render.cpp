#include "models/chat/render.h"

#include "models/chat/evaluator.h"
#include "models/chat/parser.h"

namespace lowkey::models {
namespace {

constexpr std::string_view kChatMl =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

std::string text_of(const Tokenizer& tokenizer, std::optional<int32_t> id) {
  return id ? std::string(tokenizer.piece_bytes(*id)) : std::string();
}

}  // namespace

Result<std::string> render_template(std::string_view source, const ChatTemplateInput& input) {
  using jinja::Value;
  LK_ASSIGN(const jinja::Block block, jinja::parse(source));
  jinja::List messages;
  for (const ChatMessage& message : input.messages) {
    messages.push_back(
        jinja::make_dict({{"role", Value(message.role)}, {"content", Value(message.content)}}));
  }
  jinja::Evaluator evaluator({{"messages", Value(std::move(messages))},
                              {"add_generation_prompt", Value(input.add_generation_prompt)},
                              {"bos_token", Value(input.bos_token)},
                              {"eos_token", Value(input.eos_token)},
                              {"tools", Value(jinja::None{})},
                              {"documents", Value(jinja::None{})}},
                             input.now.value_or(std::time(nullptr)));
  return evaluator.run(block);
}

Result<std::string> render_chat(const Tokenizer& tokenizer, std::span<const ChatMessage> messages,
                                bool add_generation_prompt) {
  ChatTemplateInput input;
  input.messages = messages;
  input.add_generation_prompt = add_generation_prompt;
  input.bos_token = text_of(tokenizer, tokenizer.bos());
  input.eos_token = text_of(tokenizer, tokenizer.eos());
  const std::string& own = tokenizer.chat_template();
  return render_template(own.empty() ? kChatMl : std::string_view(own), input);
}

Result<std::vector<int32_t>> encode_chat(const Tokenizer& tokenizer,
                                         std::span<const ChatMessage> messages,
                                         bool add_generation_prompt) {
  LK_ASSIGN(const std::string text, render_chat(tokenizer, messages, add_generation_prompt));
  const std::string bos = text_of(tokenizer, tokenizer.bos());
  const bool has_bos = !bos.empty() && text.starts_with(bos);
  return tokenizer.encode(text, {true, tokenizer.adds_bos() && !has_bos});
}

}  // namespace lowkey::models
