// `lowkey chat`: a conversation on the terminal. What the cache already holds is not fed again.
#include <unistd.h>

#include <algorithm>
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
  std::string system;
};

class Conversation {
 public:
  Conversation(const Options& options, models::Tokenizer tokenizer, engine::Session session)
      : options_(options), tokenizer_(std::move(tokenizer)), session_(std::move(session)) {
    reset();
  }

  void reset() {
    messages_.clear();
    if (!options_.system.empty()) messages_.push_back({"system", options_.system});
  }

  Status answer(const std::string& text) {
    messages_.push_back({"user", text});
    LK_ASSIGN(const std::vector<int32_t> tokens, models::encode_chat(tokenizer_, messages_, true));
    keep_common_prefix(tokens);
    models::StreamDecoder decoder(tokenizer_);
    std::string reply;
    const auto emit = [&](const std::string& piece) {
      reply += piece;
      if (!options_.common.json()) std::cout << piece << std::flush;
    };
    engine::GenerateOptions options;
    options.sampler = options_.sampler;
    options.is_end = [&](int32_t id) { return tokenizer_.is_end(id); };
    options.on_token = [&](int32_t id) {
      emit(decoder.push(id));
      return !stop_requested();
    };
    const std::vector<int32_t> fresh(tokens.begin() + int64_t(held_.size()), tokens.end());
    LK_ASSIGN(const engine::GenerateResult result,
              engine::generate(session_, held_, fresh, options));
    emit(decoder.finish());
    print_end(result, reply);
    held_.insert(held_.end(), fresh.begin(), fresh.end());
    held_.insert(held_.end(), result.tokens.begin(), result.tokens.end());
    held_.resize(size_t(session_.n_tokens()));  // the last token was not fed
    messages_.push_back({"assistant", reply});
    if (!options_.common.quiet) std::cerr << describe_run(result, session_.cache()) << '\n';
    return {};
  }

 private:
  /// In JSON a line holds the whole answer.
  void print_end(const engine::GenerateResult& result, const std::string& reply) const {
    if (options_.common.json()) {
      nlohmann::json fields = run_fields(result, session_.cache());
      fields["text"] = reply;
      std::cout << fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }
    std::cout << std::endl;
  }

  /// The new rendering usually begins with all that is cached; at least one token must be fed.
  void keep_common_prefix(const std::vector<int32_t>& tokens) {
    size_t n = 0;
    while (n < held_.size() && n + 1 < tokens.size() && held_[n] == tokens[n]) ++n;
    held_.resize(n);
    session_.truncate(int64_t(n));
  }

  const Options& options_;
  models::Tokenizer tokenizer_;
  engine::Session session_;
  std::vector<models::ChatMessage> messages_;
  std::vector<int32_t> held_;  // tokens in the cache
};

Status run(const Options& o) {
  LK_ASSIGN(const std::string path, resolve_model(o.common));
  LK_ASSIGN(models::Tokenizer tokenizer, models::tokenizer_for_model(path));
  LK_ASSIGN(const std::unique_ptr<engine::Engine> engine, load_engine(o.common));
  engine::SessionOptions options;
  LK_ASSIGN(options.cache, cache_spec(o.common, *engine));
  options.n_context = o.common.n_context > 0 ? o.common.n_context
                                             : std::max<int64_t>(engine->config().n_context, 512);
  options.n_batch = o.common.low_memory ? 64 : 512;
  LK_ASSIGN(engine::Session session, engine::Session::open(*engine, options));
  Conversation conversation(o, std::move(tokenizer), std::move(session));
  offer_basis(o.common, *engine);
  watch_for_stop();
  const bool terminal = isatty(STDIN_FILENO) != 0;
  if (terminal) std::cerr << "/reset begins anew, /exit or Ctrl-D ends.\n";
  for (std::string line; !stop_requested();) {
    if (terminal) std::cerr << "> " << std::flush;
    if (!std::getline(std::cin, line) || line == "/exit") break;
    if (line == "/reset") {
      conversation.reset();
    } else if (!line.empty()) {
      LK_RETURN_IF_ERROR(conversation.answer(line));
    }
  }
  return {};
}

}  // namespace

void add_chat_command(CLI::App& program, Status& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("chat", "Talk; one line of stdin is one message");
  options->common.screen = true;
  add_common_options(*command, options->common, Uses::kCache);
  add_sampling_options(*command, options->sampler);
  command->add_option("-s,--system", options->system, "System message");
  command->callback([options, &status] { status = run(*options); });
}

}  // namespace lowkey::apps
