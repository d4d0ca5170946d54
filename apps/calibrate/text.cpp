#include "apps/calibrate/text.h"

#include <algorithm>

#include "base/file_map.h"
#include "base/newlines.h"
#include "engine/sample/sampler.h"

namespace lowkey::apps {

Result<std::vector<int32_t>> text_tokens(const models::Tokenizer& tokenizer,
                                         const std::string& path, int64_t n_tokens, int n_chunk) {
  LK_ASSIGN(const std::string bytes, read_text_file(path));
  LK_ASSIGN(const std::vector<int32_t> all, tokenizer.encode(with_unix_newlines(bytes), {}));
  const int64_t available = int64_t(all.size()) / n_chunk;
  if (available == 0) {
    return make_error(ErrorCode::kInvalidData, path,
                      "expected at least " + std::to_string(n_chunk) + " tokens, found " +
                          std::to_string(all.size()));
  }
  const int64_t n_chunks = std::clamp<int64_t>(n_tokens / n_chunk, 1, available);
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < n_chunks; ++i) {
    const auto first = all.begin() + i * available / n_chunks * n_chunk;
    tokens.insert(tokens.end(), first, first + n_chunk);
  }
  return tokens;
}

Result<std::vector<int32_t>> own_samples(const engine::Engine& engine,
                                         const models::Tokenizer& tokenizer, int64_t n_tokens,
                                         int n_chunk, uint64_t seed,
                                         const std::function<bool(int64_t, int64_t)>& progress) {
  LK_ASSIGN(const engine::CacheSpec cache, engine::parse_cache_type("f32"));
  LK_ASSIGN(engine::Session session, engine::Session::open(engine, {cache, n_chunk, 1}));
  const int32_t start = tokenizer.bos().value_or(tokenizer.eos().value_or(0));
  engine::SamplerOptions options;
  options.temperature = 1.0f;
  options.seed = seed;
  engine::Sampler sampler(options);
  std::vector<int32_t> tokens;
  const int64_t n_chunks = std::max<int64_t>(1, n_tokens / n_chunk);
  for (int64_t c = 0; c < n_chunks; ++c) {
    session.truncate(0);
    tokens.push_back(start);
    for (int i = 1; i < n_chunk; ++i) {
      LK_RETURN_IF_ERROR(session.feed({&tokens.back(), 1}));
      tokens.push_back(sampler.next(session.logits(), tokens));
      if (progress && !progress(int64_t(tokens.size()), n_chunks * n_chunk)) {
        return make_error(ErrorCode::kCancelled, "calibration", "stopped");
      }
    }
  }
  return tokens;
}

}  // namespace lowkey::apps
