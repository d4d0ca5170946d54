// Templates come with model files that nobody vouches for: each must end, small, with a reason.
#include <gtest/gtest.h>

#include "models/chat/render.h"

namespace lowkey::models {
namespace {

Result<std::string> render(const std::string& source) {
  static const std::vector<ChatMessage> messages = {{"user", "hi"}, {"assistant", "ho"}};
  ChatTemplateInput input;
  input.messages = messages;
  input.now = 0;
  return render_template(source, input);
}

std::string repeated(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

TEST(ChatLimits, BombsEnd) {
  const std::string in_loops =
      repeated("{% for i in range(90000) %}", 4) + "x" + repeated("{% endfor %}", 4);
  const std::vector<std::string> bombs = {
      in_loops,
      "{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor "
      "%}",
      "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
      "{{ 'x' * 999999999999 }}",
      "{{ range(999999999) }}",
      "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
      "{% set n = namespace() %}{% set n.n = n %}{{ n }}",
      "{% set n = namespace() %}{% set n.n = [n] %}{{ n|tojson }}",
      repeated("{% if true %}", 500) + repeated("{% endif %}", 500),
      "{{ " + repeated("(", 5000) + "1" + repeated(")", 5000) + " }}",
      "{{ " + repeated("-", 100000) + "1 }}",
      "{{ " + repeated("not ", 100000) + "1 }}",
      "{{ 1" + repeated("+1", 100000) + " }}",
      "{{ messages" + repeated("[0]", 100000) + " }}",
      "{{ 'a'" + repeated("|trim", 100000) + " }}",
      std::string(2 << 20, 'x'),
  };
  for (const std::string& bomb : bombs) {
    const auto result = render(bomb);
    ASSERT_FALSE(result.ok()) << bomb.substr(0, 60);
    EXPECT_EQ(result.error().exit_code(), 2);
    EXPECT_FALSE(result.error().what.empty());
  }
}

TEST(ChatLimits, MistakesNameTheirLine) {
  for (const char* source : {"a\n{{ }}",
                             "a\n{{ 1 + }}",
                             "a\n{% if %}",
                             "a\n{% if 1 %}",
                             "a\n{% for x %}{% endfor %}",
                             "a\n{{ 'x }}",
                             "a\n{{ x",
                             "a\n{# x",
                             "a\n{% endfor %}",
                             "a\n{{ a.b.c }}",
                             "a\n{% break %}",
                             "a\n{{ 1 < 'a' }}",
                             "a\n{{ [1](2) }}",
                             "a\n{{ nothing() }}",
                             "a\n{{ 1 // 0 }}",
                             "a\n{{ (1] }}",
                             "a\n{% set messages.x = 1 %}",
                             "a\n{{ 9223372036854775807 + 1 }}",
                             "a\n{{ 'a'|nofilter }}",
                             "a\n{{ 'a' is notest }}",
                             "a\n{% include 'x' %}",
                             "a\n{% for a, b in [[1]] %}{% endfor %}",
                             "a\n{{ 99999999999999999999 }}",
                             "a\n{{ @ }}",
                             "a\n{{ 'a'[::0] }}"}) {
    const auto result = render(source);
    ASSERT_FALSE(result.ok()) << source;
    EXPECT_NE(result.error().message().find("line 2"), std::string::npos)
        << source << " -> " << result.error().message();
  }
}

TEST(ChatLimits, FallsBackToChatMl) {
  TokenizerParts parts;
  const Tokenizer tokenizer(std::move(parts));
  const std::vector<ChatMessage> messages = {{"user", "hi"}};
  const auto rendered = render_chat(tokenizer, messages, true);
  ASSERT_TRUE(rendered.ok()) << rendered.error().message();
  EXPECT_EQ(*rendered, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatLimits, DatesComeFromTheInput) {
  const auto year = render("{{ strftime_now('%Y') }}");  // the epoch, east or west of Greenwich
  ASSERT_TRUE(year.ok()) << year.error().message();
  EXPECT_TRUE(*year == "1970" || *year == "1969") << *year;
}

}  // namespace
}  // namespace lowkey::models
