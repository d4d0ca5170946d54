// From logits to the next token. Seed and position give the stream: the same seed, the same text.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/sample/candidate.h"

namespace lowkey::engine {

struct SamplerOptions {
  float temperature = 0.8f;  // 0: greedy
  int top_k = 40;            // 0: all
  float top_p = 0.95f;       // 1: all
  float min_p = 0.05f;       // 0: all
  float repeat_penalty = 1.0f;
  int repeat_last = 64;  // tokens that the penalty looks back on
  uint64_t seed = 0;
};

/// Says which option is out of its range, or success.
Status check_sampler(const SamplerOptions& options);

class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options) : options_(options), random_(options.seed) {}

  /// Order of the steps as in llama.cpp: penalty, top-k, top-p, min-p, temperature, draw.
  /// `history`: all tokens so far, prompt included.
  int32_t next(std::span<const float> logits, std::span<const int32_t> history);
  /// The same, given the n_wanted() likeliest tokens alone, in any order.
  int32_t next(std::span<const Candidate> best, std::span<const int32_t> history);
  /// How many of the likeliest tokens decide; 0: all.
  int64_t n_wanted() const;

 private:
  int32_t choose(std::span<const int32_t> history);
  void penalise(std::span<const int32_t> history);
  void keep_top_k();
  void keep_top_p();
  void keep_min_p();
  int32_t draw();

  SamplerOptions options_;
  std::mt19937_64 random_;
  std::vector<Candidate> candidates_;
};

}  // namespace lowkey::engine
