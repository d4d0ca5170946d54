// Templates of well-known models, rendered as jinja2 renders them (recipe: golden/chat).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file_map.h"
#include "models/chat/render.h"
#include "tests/support/assets.h"

namespace lowkey::models {
namespace {

using nlohmann::json;

std::vector<ChatMessage> messages_of(const json& list) {
  std::vector<ChatMessage> messages;
  for (const json& entry : list) messages.push_back({entry["role"], entry["content"]});
  return messages;
}

TEST(ChatTemplate, KnownTemplatesPrintWhatJinjaPrints) {
  const auto text = read_text_file(testing::source_path("tests/golden/chat/chat_templates.json"));
  ASSERT_TRUE(text.ok()) << text.error().message();
  const json golden = json::parse(*text);
  ASSERT_GT(golden["cases"].size(), 50u);
  for (const json& entry : golden["cases"]) {
    const auto name = entry["name"].get<std::string>();
    const auto messages = messages_of(entry["messages"]);
    ChatTemplateInput input;
    input.messages = messages;
    input.add_generation_prompt = entry["add_generation_prompt"].get<bool>();
    input.bos_token = "<s>", input.eos_token = "</s>";
    const auto rendered = render_template(golden["templates"][name].get<std::string>(), input);
    if (entry.contains("refused")) {
      ASSERT_FALSE(rendered.ok()) << name;
      EXPECT_EQ(rendered.error().code, ErrorCode::kInvalidArgument) << name;
      EXPECT_EQ(rendered.error().what, entry["refused"].get<std::string>()) << name;
      continue;
    }
    ASSERT_TRUE(rendered.ok()) << name << ": " << rendered.error().message();
    EXPECT_EQ(*rendered, entry["rendered"].get<std::string>()) << name;
  }
}

TEST(ChatTemplate, TheRealModelsOwnTemplate) {
  const auto model = testing::test_model_path();
  const auto path = testing::shared_path("golden/smollm2-135m/chat_template.json");
  if (!model || !path) GTEST_SKIP() << "no SmolLM2 model file or golden data on this machine";
  const auto tokenizer = tokenizer_for_model(*model);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  for (const json& entry : json::parse(*read_text_file(*path))) {
    const auto rendered = render_chat(*tokenizer, messages_of(entry["messages"]),
                                      entry["add_generation_prompt"].get<bool>());
    ASSERT_TRUE(rendered.ok()) << rendered.error().message();
    EXPECT_EQ(*rendered, entry["rendered"].get<std::string>());
  }
  const std::vector<ChatMessage> one = {{"user", "Hi"}};
  const auto ids = encode_chat(*tokenizer, one, true);
  ASSERT_TRUE(ids.ok()) << ids.error().message();
  EXPECT_EQ(ids->front(), *tokenizer->find("<|im_start|>"));
}

}  // namespace
}  // namespace lowkey::models
