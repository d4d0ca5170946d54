#include "engine/session/generate.h"

#include <chrono>

namespace lowkey::engine {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Result<GenerateResult> generate(Session& session, std::span<const int32_t> history,
                                std::span<const int32_t> prompt, const GenerateOptions& options) {
  LK_RETURN_IF_ERROR(check_sampler(options.sampler));
  if (prompt.empty()) {
    return make_error(ErrorCode::kInvalidArgument, "prompt",
                      "expected at least one token, found none");
  }
  GenerateResult result;
  result.n_prompt = int64_t(prompt.size());
  std::vector<int32_t> all(history.begin(), history.end());
  all.insert(all.end(), prompt.begin(), prompt.end());
  const auto start = std::chrono::steady_clock::now();
  LK_RETURN_IF_ERROR(session.feed(prompt));
  result.prompt_seconds = seconds_since(start);

  Sampler sampler(options.sampler);
  const auto decode_start = std::chrono::steady_clock::now();
  while (options.n_tokens < 0 || int64_t(result.tokens.size()) < options.n_tokens) {
    const int32_t token = sampler.next(session.best_logits(sampler.n_wanted()), all);
    if (options.is_end && options.is_end(token)) break;
    result.tokens.push_back(token);
    all.push_back(token);
    if (options.on_token && !options.on_token(token)) break;
    if (int64_t(result.tokens.size()) == options.n_tokens) break;
    result.context_full = session.n_tokens() >= session.cache().n_context();
    if (result.context_full) break;
    LK_RETURN_IF_ERROR(session.feed({&token, 1}));
  }
  result.decode_seconds = seconds_since(decode_start);
  return result;
}

}  // namespace lowkey::engine
