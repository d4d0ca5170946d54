// One benchmark test: prompt or generation speed at a depth, with llama-bench's meaning.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace lowkey::apps {

struct BenchTest {
  int64_t n_prompt = 0;
  int64_t n_gen = 0;
  int64_t n_depth = 0;
};

struct BenchRecord {
  BenchTest test;
  std::string cache;
  double kv_bytes_per_token = 0;
  double bits_per_element = 0;
  int64_t kv_bytes_total = 0;
  int64_t weight_bytes = 0;
  std::vector<double> seconds;  // one per repetition

  int64_t n_tokens() const { return test.n_prompt + test.n_gen; }
};

/// Fills the cache to the test's depth with seeded random tokens, warms up once, then times
/// `repetitions` runs; tokenising and sampling are left out, the output projection is not.
Result<BenchRecord> measure(const engine::Engine& engine, const engine::CacheSpec& cache,
                            const BenchTest& test, int repetitions,
                            const std::function<void(int done)>& progress);

double mean(const std::vector<double>& values);
double median(std::vector<double> values);
double standard_deviation(const std::vector<double>& values);
/// Tokens per second of every repetition.
std::vector<double> samples_ts(const BenchRecord& record);

}  // namespace lowkey::apps
