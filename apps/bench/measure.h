// One benchmark test: prompt or generation speed at a depth, with llama-bench's meaning, for one
// sequence or for several that are decoded together.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/sample/sampler.h"
#include "engine/session/batch.h"

namespace lowkey::apps {

struct BenchTest {
  int64_t n_prompt = 0;
  int64_t n_gen = 0;
  int64_t n_depth = 0;
  int64_t batch = 1;  // sequences
  int64_t top_k =
      engine::SamplerOptions{}.top_k;  // of every step's logits, as sampling needs them; 0: all

  int64_t n_tokens() const { return (n_prompt + n_gen) * batch; }
};

/// What a case has room for.
struct BenchRoom {
  int64_t n_longest = 0;  // tokens that the longest test adds
  int n_batch = 512;      // tokens of a block in prefill
};

/// Sequences with one cache, filled to a depth with seeded random tokens. Tokenising and drawing
/// are left out of what is timed; the output projection and the choice of the k best logits are
/// not.
class BenchCase {
 public:
  /// `progress(done, total)` counts sequences.
  static Result<BenchCase> open(const engine::Engine& engine, const engine::CacheSpec& cache,
                                const BenchTest& test, const BenchRoom& room,
                                const std::function<void(int64_t, int64_t)>& progress = {});

  /// Seconds of one run, from the case's depth on.
  Result<double> run(const BenchTest& test);

  const engine::KvCache& cache() const { return sessions_.front().cache(); }
  int64_t kv_bytes_total() const;
  int n_batch() const { return n_batch_; }

 private:
  std::vector<int32_t> random_tokens(int64_t n);
  Status feed_once(const BenchTest& test, const std::vector<std::vector<int32_t>>& tokens);

  const engine::Engine* engine_ = nullptr;
  std::vector<engine::Session> sessions_;
  std::unique_ptr<engine::Batch> batch_;  // where there are several
  int n_batch_ = 512;
  std::mt19937 random_{1};
};

struct BenchRecord {
  BenchTest test;
  std::string cache;
  double kv_bytes_per_token = 0;
  double bits_per_element = 0;
  int64_t kv_bytes_total = 0;
  int n_batch = 512;
  std::vector<double> seconds;  // one per repetition
};

/// Opens a case, warms up once, then times `repetitions` runs.
Result<BenchRecord> measure(const engine::Engine& engine, const engine::CacheSpec& cache,
                            const BenchTest& test, int n_batch, int repetitions);

/// What a case says about itself in a record, no runs yet.
BenchRecord start_record(const BenchCase& bench, const BenchTest& test, const std::string& cache);

double mean(const std::vector<double>& values);
double median(std::vector<double> values);
double standard_deviation(const std::vector<double>& values);
/// Tokens per second of every repetition, all sequences together.
std::vector<double> samples_ts(const BenchRecord& record);

}  // namespace lowkey::apps
