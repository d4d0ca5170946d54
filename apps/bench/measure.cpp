#include "apps/bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

namespace lowkey::apps {

namespace {

std::vector<int32_t> random_tokens(std::mt19937& random, int64_t n, int n_vocab) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < n; ++i) tokens.push_back(int32_t(random() % uint32_t(n_vocab)));
  return tokens;
}

Status run_once(engine::Session& session, const std::vector<int32_t>& tokens,
                const BenchTest& test) {
  const std::span<const int32_t> all(tokens);
  if (test.n_prompt > 0) {
    LK_RETURN_IF_ERROR(session.feed(all.first(size_t(test.n_prompt))));
    session.logits();
  }
  for (int64_t i = 0; i < test.n_gen; ++i) {
    LK_RETURN_IF_ERROR(session.feed(all.subspan(size_t(test.n_prompt + i), 1)));
    session.logits();
  }
  return {};
}

}  // namespace

Result<BenchRecord> measure(const engine::Engine& engine, const engine::CacheSpec& cache,
                            const BenchTest& test, int repetitions,
                            const std::function<void(int)>& progress) {
  std::mt19937 random(1);
  const int n_vocab = engine.config().n_vocab;
  const int64_t n_context = test.n_depth + test.n_prompt + test.n_gen;
  LK_ASSIGN(engine::Session session, engine::Session::open(engine, {cache, n_context, 512}));
  LK_RETURN_IF_ERROR(session.feed(random_tokens(random, test.n_depth, n_vocab)));
  BenchRecord record;
  record.test = test;
  record.cache = engine::cache_name(cache);
  record.kv_bytes_per_token = session.cache().layout().coded_bytes_per_token;
  record.bits_per_element = session.cache().layout().bits_per_element();
  record.weight_bytes = engine.weights().bytes();
  for (int r = 0; r <= repetitions; ++r) {
    session.truncate(test.n_depth);
    const auto tokens = random_tokens(random, test.n_prompt + test.n_gen, n_vocab);
    const auto start = std::chrono::steady_clock::now();
    LK_RETURN_IF_ERROR(run_once(session, tokens, test));
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (r > 0) record.seconds.push_back(elapsed.count());  // round 0 warms up
    if (progress) progress(r);
  }
  record.kv_bytes_total = session.cache().used_bytes();
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
  for (double s : record.seconds) samples.push_back(double(record.n_tokens()) / s);
  return samples;
}

}  // namespace lowkey::apps
