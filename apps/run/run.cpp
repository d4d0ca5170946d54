// `lowkey run`: one prompt, one answer.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/common/options.h"
#include "apps/common/report.h"
#include "apps/common/sampling.h"
#include "apps/console/stop.h"
#include "models/chat/render.h"
#include "models/tokenizer/stream_decoder.h"

namespace lowkey::apps {

namespace {

struct Options {
  CommonOptions common;
  engine::SamplerOptions sampler;
  std::string prompt, file, system;
  int64_t n_tokens = -1;
  bool raw = false;
};

Result<std::vector<int32_t>> prompt_tokens(const Options& o, const models::Tokenizer& tokenizer) {
  LK_ASSIGN(const std::string text, read_prompt(o.prompt, o.file));
  if (o.raw) return tokenizer.encode(text, {false, tokenizer.adds_bos()});
  std::vector<models::ChatMessage> messages;
  if (!o.system.empty()) messages.push_back({"system", o.system});
  messages.push_back({"user", text});
  return models::encode_chat(tokenizer, messages, true);
}

Result<engine::Session> open_session(const Options& o, const engine::Engine& engine,
                                     int64_t n_prompt) {
  LK_ASSIGN(const engine::CacheSpec cache, cache_spec(o.common, engine));
  engine::SessionOptions options;
  options.cache = cache;
  options.n_context = o.common.n_context > 0 ? o.common.n_context
                                             : std::max<int64_t>(engine.config().n_context, 512);
  options.n_batch = int(std::clamp<int64_t>(n_prompt, 1, o.common.low_memory ? 64 : 512));
  return engine::Session::open(engine, options);
}

Status run(const Options& o) {
  LK_ASSIGN(const std::string path, resolve_model(o.common));
  LK_ASSIGN(const models::Tokenizer tokenizer, models::tokenizer_for_model(path));
  LK_ASSIGN(const std::vector<int32_t> prompt, prompt_tokens(o, tokenizer));
  LK_ASSIGN(const std::unique_ptr<engine::Engine> engine, load_engine(o.common));
  LK_ASSIGN(engine::Session session, open_session(o, *engine, int64_t(prompt.size())));

  models::StreamDecoder decoder(tokenizer);
  std::string text;
  const auto emit = [&](const std::string& piece) {
    if (o.common.json())
      text += piece;
    else
      std::cout << piece << std::flush;
  };
  engine::GenerateOptions options;
  options.n_tokens = o.n_tokens;
  options.sampler = o.sampler;
  options.is_end = [&](int32_t id) { return tokenizer.is_end(id); };
  options.on_token = [&](int32_t id) {
    emit(decoder.push(id));
    return !stop_requested();
  };
  offer_basis(o.common, *engine);
  watch_for_stop();
  LK_ASSIGN(const engine::GenerateResult result, engine::generate(session, {}, prompt, options));
  emit(decoder.finish());
  if (o.common.json()) {
    nlohmann::json fields = run_fields(result, session.cache());
    fields["text"] = text;
    fields["ids"] = result.tokens;
    std::cout << fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  std::cout << std::endl;
  if (!o.common.quiet) std::cerr << describe_run(result, session.cache()) << '\n';
  return {};
}

}  // namespace

void add_run_command(CLI::App& program, Status& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("run", "Answer a prompt");
  options->common.screen = true;
  add_common_options(*command, options->common, Uses::kCache);
  add_sampling_options(*command, options->sampler);
  command->add_option("-p,--prompt", options->prompt, "Prompt");
  command->add_option("-f,--file", options->file, "File with the prompt; - is stdin");
  command->add_option("-s,--system", options->system, "System message");
  command->add_option("-n,--n-predict", options->n_tokens, "Tokens to generate; -1: until the end")
      ->capture_default_str();
  command->add_flag("--raw", options->raw, "Continue the prompt as it is, without a chat template");
  command->callback([options, &status] { status = run(*options); });
}

}  // namespace lowkey::apps
