#include "engine/eval/perplexity.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include "engine/eval/compare_rows.h"

namespace lowkey::engine {

namespace {

Error stopped() { return make_error(ErrorCode::kCancelled, "perplexity", "stopped"); }

constexpr int64_t kLogitRows = 32;  // positions whose logits are in memory at once

double quantile(const std::vector<float>& sorted, double q) {
  const double at = q * double(sorted.size() - 1);
  const size_t i = size_t(at);
  const size_t j = std::min(i + 1, sorted.size() - 1);
  return double(sorted[i]) + (at - double(i)) * double(sorted[j] - sorted[i]);
}

/// One cache under judgement and what came of it so far.
struct Chosen {
  Session session;
  std::vector<float> hidden;  // of the block at hand, [block, n_embd]
  std::vector<float> nll = {}, kld = {}, delta_p = {};
  std::vector<char> same_top = {};
};

Divergence divergence_of(const Chosen& c, double baseline_ppl) {
  Divergence d;
  std::vector<float> sorted = c.kld;
  std::sort(sorted.begin(), sorted.end());
  double sum = 0, squares = 0, delta = 0;
  for (float k : c.kld) sum += double(k), squares += double(k) * double(k);
  for (float x : c.delta_p) delta += double(x) * double(x);
  const double n = double(c.kld.size());
  d.mean = sum / n;
  d.mean_stderr = n > 1 ? std::sqrt(std::max(0.0, squares / n - d.mean * d.mean) / (n - 1)) : 0.0;
  d.median = quantile(sorted, 0.5);
  d.p99 = quantile(sorted, 0.99);
  d.p999 = quantile(sorted, 0.999);
  d.rms_delta_p = std::sqrt(delta / n);
  d.same_top = double(std::count(c.same_top.begin(), c.same_top.end(), 1)) / n;
  d.baseline_ppl = baseline_ppl;
  return d;
}

class Evaluation {
 public:
  Evaluation(const Engine& engine, const PerplexityOptions& options, std::vector<Chosen> chosen,
             std::optional<Chosen> baseline)
      : engine_(engine),
        options_(options),
        chosen_(std::move(chosen)),
        baseline_(std::move(baseline)) {
    const size_t n = size_t(kLogitRows) * size_t(engine.config().n_vocab);
    logits_.resize(n);
    if (baseline_) base_logits_.resize(n);
  }

  Status chunk(std::span<const int32_t> tokens) {
    for (Chosen& c : chosen_) c.session.truncate(0);
    if (baseline_) baseline_->session.truncate(0);
    for (size_t first = 0; first < tokens.size(); first += size_t(options_.n_batch)) {
      const auto block =
          tokens.subspan(first, std::min(size_t(options_.n_batch), tokens.size() - first));
      if (baseline_) LK_RETURN_IF_ERROR(feed(*baseline_, block));
      for (Chosen& c : chosen_) LK_RETURN_IF_ERROR(feed(c, block));
      LK_RETURN_IF_ERROR(score_block(tokens, Range{int64_t(first), int64_t(first + block.size())}));
    }
    return {};
  }

  const std::vector<Chosen>& chosen() const { return chosen_; }

  std::optional<Divergence> divergence(const Chosen& c) const {
    if (!baseline_) return std::nullopt;
    return divergence_of(c, estimate_perplexity(baseline_->nll).ppl);
  }

 private:
  Status feed(Chosen& c, std::span<const int32_t> block) const {
    // The scratch behind `hidden` is reused by logits(): keep the rows.
    c.hidden.clear();
    if (options_.stopped && options_.stopped()) return stopped();
    return c.session.feed(block, [&](int64_t, MatrixView<const float> hidden) {
      c.hidden.insert(c.hidden.end(), hidden.data, hidden.data + hidden.rows * hidden.cols);
      return Status();
    });
  }

  Status score_block(std::span<const int32_t> tokens, Range block) {
    const int64_t begin = std::max(block.begin, options_.n_context / 2);
    const int64_t end = std::min(block.end, int64_t(tokens.size()) - 1);
    for (int64_t p = begin; p < end; p += kLogitRows) {
      const int64_t n = std::min(kLogitRows, end - p);
      const auto next = tokens.subspan(size_t(p) + 1, size_t(n));
      if (baseline_) {
        logits(*baseline_, p - block.begin, n, base_logits_.data());
        score_baseline(next);
      }
      for (Chosen& c : chosen_) {
        logits(c, p - block.begin, n, logits_.data());
        score_rows(c, next);
        if (!options_.on_logits || &c != chosen_.data()) continue;
        LK_RETURN_IF_ERROR(
            options_.on_logits(matrix<const float>(logits_.data(), n, engine_.config().n_vocab)));
      }
    }
    return {};
  }

  void logits(Chosen& c, int64_t first, int64_t n, float* out) const {
    const int64_t n_embd = engine_.config().n_embd;
    c.session.logits(matrix<const float>(c.hidden.data() + first * n_embd, n, n_embd), out);
  }

  std::span<const float> row(const std::vector<float>& logits, size_t i) const {
    const size_t n_vocab = size_t(engine_.config().n_vocab);
    return {logits.data() + i * n_vocab, n_vocab};
  }

  void score_baseline(std::span<const int32_t> next) {
    base_scores_.resize(next.size());
    base_p_.resize(base_logits_.size());
    for_rows(next, [&](size_t i) {
      float* p = base_p_.data() + i * size_t(engine_.config().n_vocab);
      base_scores_[i] = score_row(*engine_.context().kernels, row(base_logits_, i), next[i], p);
    });
    for (const RowScore& score : base_scores_) baseline_->nll.push_back(float(score.nll));
  }

  void score_rows(Chosen& c, std::span<const int32_t> next) {
    const size_t at = c.nll.size(), after = at + next.size();
    c.nll.resize(after);
    if (baseline_) {
      c.kld.resize(after);
      c.delta_p.resize(after);
      c.same_top.resize(after);
    }
    for_rows(next, [&](size_t i) { score_position(c, at + i, i, next[i]); });
  }

  void score_position(Chosen& c, size_t at, size_t i, int32_t token) {
    thread_local std::vector<float> scratch;
    const auto own = row(logits_, i);
    scratch.resize(own.size());
    const RowScore score = score_row(*engine_.context().kernels, own, token, scratch.data());
    c.nll[at] = float(score.nll);
    if (!baseline_) return;
    const RowScore& base = base_scores_[i];
    const auto base_row = row(base_logits_, i);
    c.kld[at] = float(
        kl_divergence({row(base_p_, i), base_row, own, base.nll + double(base_row[size_t(token)]),
                       score.nll + double(own[size_t(token)])}));
    c.delta_p[at] = float(score.probability - base.probability);
    c.same_top[at] = score.top == base.top;
  }

  template <class Body>
  void for_rows(std::span<const int32_t> next, const Body& body) const {
    engine_.context().team->parallel_for(int64_t(next.size()), 1, [&](Range rows, int) {
      for (size_t i = size_t(rows.begin); i < size_t(rows.end); ++i) body(i);
    });
  }

  const Engine& engine_;
  const PerplexityOptions& options_;
  std::vector<Chosen> chosen_;
  std::optional<Chosen> baseline_;
  std::vector<float> logits_, base_logits_, base_p_;
  std::vector<RowScore> base_scores_;
};

void finish(const Chosen& chosen, const CacheSpec& cache, const Evaluation& evaluation,
            PerplexityResult& result) {
  const PerplexityEstimate estimate = estimate_perplexity(chosen.nll);
  result.ppl = estimate.ppl;
  result.ppl_stderr = estimate.ppl_stderr;
  result.nll = chosen.nll;
  result.n_scored = int64_t(result.nll.size());
  result.divergence = evaluation.divergence(chosen);
  result.exact_tokens = cache.n_sinks + cache.n_window;
}

/// A session for each cache. They run by turns and share the memory of a block.
Result<std::vector<Chosen>> open_all(const Engine& engine, const PerplexityOptions& options,
                                     std::span<const CacheSpec> caches) {
  std::vector<Chosen> all;
  for (const CacheSpec& cache : caches) {
    SessionOptions own{cache, options.n_context, options.n_batch};
    if (!all.empty()) own.neighbour = &all[0].session;
    LK_ASSIGN(Session session, Session::open(engine, own));
    all.push_back({std::move(session), {}});
  }
  return all;
}

Status check(std::span<const int32_t> tokens, const PerplexityOptions& options) {
  if (options.n_context < 4) {
    return make_error(
        ErrorCode::kInvalidArgument, "-c",
        "expected a chunk of at least 4 tokens, found " + std::to_string(options.n_context));
  }
  const int64_t needed = options.n_context * std::max(options.n_chunks, 1);
  if (int64_t(tokens.size()) >= needed) return {};
  return make_error(ErrorCode::kInvalidData, "text",
                    "expected at least " + std::to_string(needed) + " tokens, found " +
                        std::to_string(tokens.size()));
}

}  // namespace

PerplexityEstimate estimate_perplexity(std::span<const float> nll) {
  double sum = 0, squares = 0;
  for (float x : nll) sum += double(x), squares += double(x) * double(x);
  const double n = double(nll.size()), mean = sum / n;
  const double variance = std::max(0.0, squares / n - mean * mean);
  const double ppl = std::exp(mean);
  return {ppl, n > 1 ? std::sqrt(variance / (n - 1)) * ppl : 0.0};
}

Result<PerplexityResult> perplexity(const Engine& engine, std::span<const int32_t> tokens,
                                    const PerplexityOptions& options) {
  LK_ASSIGN(auto results, perplexities(engine, tokens, options, {&options.cache, 1}));
  return std::move(results[0]);
}

Result<std::vector<PerplexityResult>> perplexities(const Engine& engine,
                                                   std::span<const int32_t> tokens,
                                                   const PerplexityOptions& options,
                                                   std::span<const CacheSpec> caches) {
  LK_RETURN_IF_ERROR(check(tokens, options));
  const auto start = std::chrono::steady_clock::now();
  LK_ASSIGN(std::vector<Chosen> chosen, open_all(engine, options, caches));
  std::optional<Chosen> baseline;
  if (options.baseline) {
    LK_ASSIGN(std::vector<Chosen> one, open_all(engine, options, {&*options.baseline, 1}));
    baseline.emplace(std::move(one[0]));
    baseline->session.set_precision(options.baseline_precision);
  }
  Evaluation evaluation(engine, options, std::move(chosen), std::move(baseline));
  const int available = int(int64_t(tokens.size()) / options.n_context);
  const int n_chunks = options.n_chunks > 0 ? options.n_chunks : available;
  std::vector<PerplexityResult> results(caches.size());
  for (int c = 0; c < n_chunks; ++c) {
    const auto chunk = tokens.subspan(size_t(c * options.n_context), size_t(options.n_context));
    std::vector<int32_t> copy(chunk.begin(), chunk.end());
    if (options.bos) copy[0] = *options.bos;
    LK_RETURN_IF_ERROR(evaluation.chunk(copy));
    for (size_t i = 0; i < results.size(); ++i) {
      const KvCache& cache = evaluation.chosen()[i].session.cache();
      results[i].kv_bytes_per_token += cache.bytes_per_token() / n_chunks;
      results[i].n_outliers += cache.n_outliers();
      results[i].kv_bytes_total = cache.used_bytes();
    }
    const double ppl = estimate_perplexity(evaluation.chosen()[0].nll).ppl;
    if (options.progress && !options.progress(c + 1, n_chunks, ppl)) {
      return stopped();
    }
  }
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  for (size_t i = 0; i < results.size(); ++i) {
    finish(evaluation.chosen()[i], caches[i], evaluation, results[i]);
    results[i].n_chunks = n_chunks;
    results[i].seconds = time.count();
  }
  return results;
}

}  // namespace lowkey::engine
