// `lowkey tokenize`: text to ids, or ids back to text.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/common/options.h"
#include "models/tokenizer/tokenizer.h"

namespace lowkey::apps {

namespace {

struct Options {
  CommonOptions common;
  std::string text, file;
  std::vector<int32_t> ids;
  bool special = false;
};

void print_text(const models::Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  for (const int32_t id : ids) {
    const nlohmann::json piece = std::string(tokenizer.piece_bytes(id));
    std::cout << id << '\t' << piece.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
              << '\n';
  }
}

Status print_decoded(const Options& o, const models::Tokenizer& tokenizer) {
  for (const int32_t id : o.ids) {
    if (id >= 0 && id < tokenizer.n_vocab()) continue;
    return make_error(ErrorCode::kInvalidArgument, "--ids",
                      "expected ids below " + std::to_string(tokenizer.n_vocab()) + ", found " +
                          std::to_string(id));
  }
  const std::string text = tokenizer.decode(o.ids, true);
  if (o.common.json()) {
    const nlohmann::json fields = {{"n_tokens", o.ids.size()}, {"text", text}};
    std::cout << fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  } else {
    std::cout << text << std::flush;
  }
  return {};
}

Status run(const Options& o) {
  LK_ASSIGN(const std::string path, resolve_model(o.common));
  LK_ASSIGN(const models::Tokenizer tokenizer, models::tokenizer_for_model(path));
  if (!o.ids.empty()) {
    return print_decoded(o, tokenizer);
  }
  LK_ASSIGN(const std::string text, read_prompt(o.text, o.file));
  LK_ASSIGN(const std::vector<int32_t> ids, tokenizer.encode(text, {o.special, false}));
  if (o.common.json()) {
    std::cout << nlohmann::json{{"n_tokens", ids.size()}, {"ids", ids}}.dump() << '\n';
  } else {
    print_text(tokenizer, ids);
  }
  return {};
}

}  // namespace

void add_tokenize_command(CLI::App& program, Status& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("tokenize", "Show the tokens of a text");
  add_common_options(*command, options->common, Uses::kModelOnly);
  command->add_option("-p,--prompt", options->text, "Text");
  command->add_option("-f,--file", options->file, "File with the text; - is stdin");
  command->add_option("--ids", options->ids, "Print the text of these ids instead")->delimiter(',');
  command->add_flag("--special", options->special, "Read <|...|> in the text as special tokens");
  command->callback([options, &status] { status = run(*options); });
}

}  // namespace lowkey::apps
