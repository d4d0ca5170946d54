// Any text as a chat template: it ends within its limits, with text or with a reason.
#include <cstdint>

#include "base/check.h"
#include "models/chat/render.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lowkey::models;
  static const std::vector<ChatMessage> messages = {
      {"system", "Be terse."}, {"user", " 2+2?\n"}, {"assistant", "4"}, {"user", "\xC3\xA9 \xFF"}};
  ChatTemplateInput input;
  input.messages = messages;
  input.bos_token = "<s>", input.eos_token = "</s>";
  input.now = 0;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto rendered = render_template(source, input);
  LK_CHECK(rendered.ok() || !rendered.error().what.empty() ||
               rendered.error().code == lowkey::ErrorCode::kInvalidArgument,
           "an error says what is wrong");
  return 0;
}
