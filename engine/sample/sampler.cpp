#include "engine/sample/sampler.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_set>

namespace lowkey::engine {

namespace {

Error out_of_range(const char* option, const char* expected, float found) {
  return make_error(ErrorCode::kInvalidArgument, option,
                    std::string("expected ") + expected + ", found " + std::to_string(found));
}

}  // namespace

Status check_sampler(const SamplerOptions& o) {
  if (!(o.temperature >= 0.0f)) return out_of_range("--temp", "0 or more", o.temperature);
  if (o.top_k < 0) return out_of_range("--top-k", "0 (all) or more", float(o.top_k));
  if (!(o.top_p > 0.0f && o.top_p <= 1.0f))
    return out_of_range("--top-p", "above 0, up to 1", o.top_p);
  if (!(o.min_p >= 0.0f && o.min_p <= 1.0f)) return out_of_range("--min-p", "0 to 1", o.min_p);
  if (!(o.repeat_penalty > 0.0f)) {
    return out_of_range("--repeat-penalty", "above 0", o.repeat_penalty);
  }
  if (o.repeat_last < 0) {
    return make_error(ErrorCode::kInvalidArgument, "--repeat-last-n",
                      "expected 0 (none) or more, found " + std::to_string(o.repeat_last));
  }
  return {};
}

int64_t Sampler::n_wanted() const {
  const int64_t kept = options_.temperature == 0.0f ? 1 : options_.top_k;
  if (kept == 0 || options_.repeat_penalty < 1.0f) return 0;  // a bonus may lift any token
  // A penalty takes away as many as it looks back on, at most.
  return kept + (options_.repeat_penalty > 1.0f ? options_.repeat_last : 0);
}

int32_t Sampler::next(std::span<const float> logits, std::span<const int32_t> history) {
  candidates_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) candidates_[i] = {logits[i], int32_t(i)};
  return choose(history);
}

int32_t Sampler::next(std::span<const Candidate> best, std::span<const int32_t> history) {
  candidates_.assign(best.begin(), best.end());
  return choose(history);
}

int32_t Sampler::choose(std::span<const int32_t> history) {
  if (options_.repeat_penalty != 1.0f) penalise(history);
  if (options_.temperature == 0.0f) {
    return std::min_element(candidates_.begin(), candidates_.end(), better)->id;
  }
  keep_top_k();
  keep_top_p();
  keep_min_p();
  return draw();
}

void Sampler::penalise(std::span<const int32_t> history) {
  const size_t n = std::min(history.size(), size_t(options_.repeat_last));
  const std::unordered_set<int32_t> recent(history.end() - int64_t(n), history.end());
  for (Candidate& c : candidates_) {
    if (!recent.contains(c.id)) continue;
    c.logit =
        c.logit > 0.0f ? c.logit / options_.repeat_penalty : c.logit * options_.repeat_penalty;
  }
}

void Sampler::keep_top_k() {
  if (options_.top_k > 0 && size_t(options_.top_k) < candidates_.size()) {
    const auto end = candidates_.begin() + options_.top_k;
    std::nth_element(candidates_.begin(), end, candidates_.end(), better);
    candidates_.erase(end, candidates_.end());
  }
  std::sort(candidates_.begin(), candidates_.end(), better);
}

void Sampler::keep_top_p() {
  if (options_.top_p >= 1.0f) return;
  double total = 0.0, kept = 0.0;
  for (const Candidate& c : candidates_) total += std::exp(double(c.logit - candidates_[0].logit));
  size_t n = 0;
  while (n < candidates_.size() && kept < double(options_.top_p) * total) {
    kept += std::exp(double(candidates_[n++].logit - candidates_[0].logit));
  }
  candidates_.resize(std::max<size_t>(n, 1));
}

void Sampler::keep_min_p() {
  if (options_.min_p <= 0.0f) return;
  const float lowest = candidates_[0].logit + std::log(options_.min_p);
  const auto end = std::find_if(candidates_.begin() + 1, candidates_.end(),
                                [&](const Candidate& c) { return c.logit < lowest; });
  candidates_.erase(end, candidates_.end());
}

int32_t Sampler::draw() {
  double total = 0.0;
  std::vector<double> weights;
  for (const Candidate& c : candidates_) {
    weights.push_back(std::exp(double((c.logit - candidates_[0].logit) / options_.temperature)));
    total += weights.back();
  }
  // Not std::discrete_distribution: its results differ between standard libraries.
  double point = double(random_() >> 11) * 0x1p-53 * total;
  for (size_t i = 0; i < weights.size(); ++i) {
    point -= weights[i];
    if (point < 0.0) return candidates_[i].id;
  }
  return candidates_.back().id;
}

}  // namespace lowkey::engine
