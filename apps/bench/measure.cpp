#include "apps/bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace lowkey::apps {

namespace {

template <class Source>  // a session or a batch of them
void ask_for_logits(Source& source, int64_t top_k) {
  if (top_k > 0) {
    source.best_logits(top_k);
  } else {
    source.logits();
  }
}

}  // namespace

Result<BenchCase> BenchCase::open(const engine::Engine& engine, const engine::CacheSpec& cache,
                                  const BenchTest& test, const BenchRoom& room,
                                  const std::function<void(int64_t, int64_t)>& progress) {
  BenchCase bench;
  bench.engine_ = &engine;
  bench.n_batch_ = room.n_batch;
  for (int64_t i = 0; i < test.batch; ++i) {
    engine::SessionOptions options{cache, test.n_depth + room.n_longest, room.n_batch, nullptr};
    if (i > 0) options.neighbour = &bench.sessions_.front();
    LK_ASSIGN(engine::Session session, engine::Session::open(engine, options));
    LK_RETURN_IF_ERROR(session.feed(bench.random_tokens(test.n_depth)));
    bench.sessions_.push_back(std::move(session));
    if (progress) progress(i + 1, test.batch);
  }
  if (test.batch > 1) {
    LK_ASSIGN(engine::Batch batch, engine::Batch::open(engine, int(test.batch)));
    bench.batch_ = std::make_unique<engine::Batch>(std::move(batch));
  }
  return bench;
}

std::vector<int32_t> BenchCase::random_tokens(int64_t n) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < n; ++i) {
    tokens.push_back(int32_t(random_() % uint32_t(engine_->config().n_vocab)));
  }
  return tokens;
}

int64_t BenchCase::kv_bytes_total() const {
  int64_t bytes = 0;
  for (const engine::Session& session : sessions_) bytes += session.cache().used_bytes();
  return bytes;
}

Status BenchCase::feed_once(const BenchTest& test,
                            const std::vector<std::vector<int32_t>>& tokens) {
  if (test.n_prompt > 0) {
    for (size_t s = 0; s < sessions_.size(); ++s) {
      LK_RETURN_IF_ERROR(sessions_[s].feed(std::span(tokens[s]).first(size_t(test.n_prompt))));
      ask_for_logits(sessions_[s], test.top_k);
    }
  }
  std::vector<engine::Batch::Entry> entries(sessions_.size());
  for (int64_t i = test.n_prompt; i < test.n_prompt + test.n_gen; ++i) {
    for (size_t s = 0; s < sessions_.size(); ++s) {
      entries[s] = {&sessions_[s], std::span(tokens[s]).subspan(size_t(i), 1)};
    }
    if (batch_) {
      LK_RETURN_IF_ERROR(batch_->feed(entries));
      ask_for_logits(*batch_, test.top_k);
    } else {
      LK_RETURN_IF_ERROR(sessions_.front().feed(entries.front().tokens));
      ask_for_logits(sessions_.front(), test.top_k);
    }
  }
  return {};
}

Result<double> BenchCase::run(const BenchTest& test) {
  std::vector<std::vector<int32_t>> tokens;
  for (engine::Session& session : sessions_) {
    session.truncate(test.n_depth);
    tokens.push_back(random_tokens(test.n_prompt + test.n_gen));
  }
  const auto start = std::chrono::steady_clock::now();
  LK_RETURN_IF_ERROR(feed_once(test, tokens));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

BenchRecord start_record(const BenchCase& bench, const BenchTest& test, const std::string& cache) {
  const engine::KvLayout& layout = bench.cache().layout();
  return {test, cache, layout.coded_bytes_per_token, layout.bits_per_element(), 0, bench.n_batch(),
          {}};
}

Result<BenchRecord> measure(const engine::Engine& engine, const engine::CacheSpec& cache,
                            const BenchTest& test, int n_batch, int repetitions) {
  LK_ASSIGN(BenchCase bench,
            BenchCase::open(engine, cache, test, {test.n_prompt + test.n_gen, n_batch}));
  BenchRecord record = start_record(bench, test, engine::cache_name(cache));
  for (int r = 0; r <= repetitions; ++r) {
    LK_ASSIGN(const double seconds, bench.run(test));
    if (r > 0) record.seconds.push_back(seconds);  // run 0 warms up
  }
  record.kv_bytes_total = bench.kv_bytes_total();
  return record;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (double x : values) sum += x;
  return values.empty() ? 0.0 : sum / double(values.size());
}

double median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + int64_t(middle), values.end());
  return values[middle];
}

double standard_deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0.0;
  const double m = mean(values);
  double squares = 0;
  for (double x : values) squares += (x - m) * (x - m);
  return std::sqrt(squares / double(values.size() - 1));
}

std::vector<double> samples_ts(const BenchRecord& record) {
  std::vector<double> samples;
  for (double s : record.seconds) samples.push_back(double(record.test.n_tokens()) / s);
  return samples;
}

}  // namespace lowkey::apps
