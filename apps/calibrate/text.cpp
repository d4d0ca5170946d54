#include "apps/calibrate/text.h"

#include <algorithm>

#include "base/file_map.h"
#include "base/newlines.h"
#include "engine/sample/sampler.h"
#include "engine/session/batch.h"

namespace lowkey::apps {

Result<TextSplit> split_text(const models::Tokenizer& tokenizer, const std::string& path,
                             int64_t n_tokens, int n_chunk, int n_held_back) {
  LK_ASSIGN(const std::string bytes, read_text_file(path));
  LK_ASSIGN(const std::vector<int32_t> all, tokenizer.encode(with_unix_newlines(bytes), {}));
  const int64_t available = int64_t(all.size()) / n_chunk;
  if (available == 0) {
    return make_error(ErrorCode::kInvalidData, path,
                      "expected at least " + std::to_string(n_chunk) + " tokens, found " +
                          std::to_string(all.size()));
  }
  const int64_t n_chunks = std::clamp<int64_t>(n_tokens / n_chunk, 1, available);
  TextSplit out;
  std::vector<int64_t> unused;
  const auto append = [&](int64_t chunk, std::vector<int32_t>& to) {
    const auto first = all.begin() + chunk * n_chunk;
    to.insert(to.end(), first, first + n_chunk);
  };
  int64_t next = 0;
  for (int64_t i = 0; i < n_chunks; ++i) {
    const int64_t chunk = i * available / n_chunks;
    append(chunk, out.learn);
    for (; next < chunk; ++next) unused.push_back(next);
    next = chunk + 1;
  }
  for (; next < available; ++next) unused.push_back(next);
  const auto n_held = std::min<int64_t>(n_held_back, int64_t(unused.size()));
  for (int64_t i = 0; i < n_held; ++i) {
    append(unused[size_t((2 * i + 1) * int64_t(unused.size()) / (2 * n_held))], out.held_back);
  }
  return out;
}

namespace {

constexpr int64_t kTogether = 8;  // sequences that are written side by side

/// Writes n sequences of n_chunk tokens at once; sequence i draws with seed + i.
Result<std::vector<std::vector<int32_t>>> write_together(
    const engine::Engine& engine, int32_t start, int64_t n, int n_chunk, uint64_t seed,
    const std::function<bool(int64_t)>& progress) {
  LK_ASSIGN(const engine::CacheSpec cache, engine::parse_cache_type("f16"));
  LK_ASSIGN(engine::Batch batch, engine::Batch::open(engine, int(n)));
  std::vector<engine::Session> sessions;
  sessions.reserve(size_t(n));
  std::vector<engine::Sampler> samplers;
  for (int64_t i = 0; i < n; ++i) {
    engine::SessionOptions options{cache, n_chunk, 1};
    if (i > 0) options.neighbour = &sessions[0];
    LK_ASSIGN(engine::Session session, engine::Session::open(engine, options));
    sessions.push_back(std::move(session));
    engine::SamplerOptions draw;
    draw.temperature = 1.0f;
    draw.seed = seed + uint64_t(i);
    samplers.emplace_back(draw);
  }
  std::vector<std::vector<int32_t>> tokens(size_t(n), {start});
  std::vector<engine::Batch::Entry> entries(tokens.size());
  for (int t = 1; t < n_chunk; ++t) {
    for (size_t i = 0; i < entries.size(); ++i) entries[i] = {&sessions[i], {&tokens[i].back(), 1}};
    LK_RETURN_IF_ERROR(batch.feed(entries));
    const auto best = batch.best_logits(samplers[0].n_wanted());
    for (size_t i = 0; i < entries.size(); ++i) {
      tokens[i].push_back(samplers[i].next(best[i], tokens[i]));
    }
    if (progress && !progress(int64_t{t + 1} * n)) {
      return make_error(ErrorCode::kCancelled, "calibration", "stopped");
    }
  }
  return tokens;
}

}  // namespace

Result<std::vector<int32_t>> own_samples(const engine::Engine& engine,
                                         const models::Tokenizer& tokenizer, const OwnSamples& o,
                                         const calib::Checkpoint& checkpoint,
                                         const std::function<bool(int64_t, int64_t)>& progress) {
  const int32_t start = tokenizer.bos().value_or(tokenizer.eos().value_or(0));
  const int64_t n_chunks = std::max<int64_t>(1, o.n_tokens / o.n_chunk);
  LK_ASSIGN(calib::WorkLog log, calib::WorkLog::open(checkpoint, "samples", size_t(o.n_chunk)));
  for (int64_t c = int64_t(log.n_known()); c < n_chunks; c += kTogether) {
    const int64_t n = std::min(kTogether, n_chunks - c);
    const auto written = [&](int64_t done) {
      return !progress || progress(c * o.n_chunk + done, n_chunks * o.n_chunk);
    };
    LK_ASSIGN(const auto sequences,
              write_together(engine, start, n, o.n_chunk, o.seed + uint64_t(c), written));
    std::vector<double> written_ids;
    for (const std::vector<int32_t>& own : sequences) {
      written_ids.insert(written_ids.end(), own.begin(), own.end());
    }
    LK_RETURN_IF_ERROR(log.add(written_ids));
  }
  std::vector<int32_t> tokens;
  for (size_t c = 0; c < log.n_known(); ++c) {
    const auto unit = log.unit(c);
    tokens.insert(tokens.end(), unit.begin(), unit.end());
  }
  return tokens;
}

}  // namespace lowkey::apps
