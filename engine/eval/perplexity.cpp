#include "engine/eval/perplexity.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include "engine/eval/compare_rows.h"

namespace lowkey::engine {

namespace {

constexpr int64_t kLogitRows = 32;  // positions whose logits are in memory at once

double quantile(const std::vector<float>& sorted, double q) {
  const double at = q * double(sorted.size() - 1);
  const size_t i = size_t(at);
  const size_t j = std::min(i + 1, sorted.size() - 1);
  return double(sorted[i]) + (at - double(i)) * double(sorted[j] - sorted[i]);
}

class Evaluation {
 public:
  Evaluation(const Engine& engine, const PerplexityOptions& options, Session chosen,
             std::optional<Session> baseline)
      : engine_(engine),
        options_(options),
        chosen_(std::move(chosen)),
        baseline_(std::move(baseline)) {
    const size_t n = size_t(kLogitRows) * size_t(engine.config().n_vocab);
    logits_.resize(n);
    if (baseline_) base_logits_.resize(n);
  }

  Status chunk(std::span<const int32_t> tokens) {
    chosen_.truncate(0);
    if (baseline_) baseline_->truncate(0);
    while (!tokens.empty() && chosen_.n_tokens() < options_.n_context) {
      const size_t first = size_t(chosen_.n_tokens());
      const auto block =
          tokens.subspan(first, std::min(size_t(options_.n_batch), tokens.size() - first));
      if (baseline_) {
        LK_RETURN_IF_ERROR(baseline_->feed(block, [&](int64_t, MatrixView<const float> hidden) {
          base_hidden_.assign(hidden.data, hidden.data + hidden.rows * hidden.cols);
          return Status();
        }));
      }
      LK_RETURN_IF_ERROR(chosen_.feed(block, [&](int64_t at, MatrixView<const float> hidden) {
        // The scratch behind `hidden` is reused by logits(): keep the rows.
        hidden_.assign(hidden.data, hidden.data + hidden.rows * hidden.cols);
        return score_block(tokens, at,
                           matrix<const float>(hidden_.data(), hidden.rows, hidden.cols));
      }));
      if (first + block.size() == tokens.size()) break;
    }
    return {};
  }

  const std::vector<float>& nll() const { return nll_; }
  const KvCache& cache() const { return chosen_.cache(); }

  Divergence divergence() const {
    Divergence d;
    std::vector<float> sorted = kld_;
    std::sort(sorted.begin(), sorted.end());
    double sum = 0, squares = 0, delta = 0;
    for (float k : kld_) sum += double(k), squares += double(k) * double(k);
    for (float x : delta_p_) delta += double(x) * double(x);
    const double n = double(kld_.size());
    d.mean = sum / n;
    d.mean_stderr = n > 1 ? std::sqrt(std::max(0.0, squares / n - d.mean * d.mean) / (n - 1)) : 0.0;
    d.median = quantile(sorted, 0.5);
    d.p99 = quantile(sorted, 0.99);
    d.p999 = quantile(sorted, 0.999);
    d.rms_delta_p = std::sqrt(delta / n);
    d.same_top = double(std::count(same_top_.begin(), same_top_.end(), 1)) / n;
    d.baseline_ppl = estimate_perplexity(base_nll_).ppl;
    return d;
  }

 private:
  Status score_block(std::span<const int32_t> tokens, int64_t first,
                     MatrixView<const float> hidden) {
    const int64_t begin = std::max(first, options_.n_context / 2);
    const int64_t end = std::min(first + hidden.rows, int64_t(tokens.size()) - 1);
    for (int64_t p = begin; p < end; p += kLogitRows) {
      const int64_t n = std::min(kLogitRows, end - p);
      const auto rows = [&](const float* data) {
        return matrix<const float>(data + (p - first) * hidden.cols, n, hidden.cols);
      };
      chosen_.logits(rows(hidden.data), logits_.data());
      if (baseline_) baseline_->logits(rows(base_hidden_.data()), base_logits_.data());
      score_rows(tokens.subspan(size_t(p) + 1, size_t(n)));
      if (!options_.on_logits) continue;
      LK_RETURN_IF_ERROR(
          options_.on_logits(matrix<const float>(logits_.data(), n, engine_.config().n_vocab)));
    }
    return {};
  }

  void score_rows(std::span<const int32_t> next) {
    const size_t n_vocab = size_t(engine_.config().n_vocab), at = nll_.size();
    const size_t after = at + next.size();
    nll_.resize(after);
    if (baseline_) {
      base_nll_.resize(after);
      kld_.resize(after);
      delta_p_.resize(after);
      same_top_.resize(after);
    }
    engine_.context().team->parallel_for(int64_t(next.size()), 1, [&](Range rows, int) {
      for (size_t i = size_t(rows.begin); i < size_t(rows.end); ++i) {
        score_position(at + i, next[i], {logits_.data() + i * n_vocab, n_vocab},
                       {base_logits_.data() + (baseline_ ? i * n_vocab : 0), n_vocab});
      }
    });
  }

  void score_position(size_t at, int32_t token, std::span<const float> logits,
                      std::span<const float> base_logits) {
    thread_local std::vector<float> p;
    p.resize(logits.size());
    const simd::KernelSet& kernels = *engine_.context().kernels;
    const RowScore score = score_row(kernels, logits, token, p.data());
    nll_[at] = float(score.nll);
    if (!baseline_) return;
    const RowScore base = score_row(kernels, base_logits, token, p.data());
    base_nll_[at] = float(base.nll);
    kld_[at] =
        float(kl_divergence({p, base_logits, logits, base.nll + double(base_logits[size_t(token)]),
                             score.nll + double(logits[size_t(token)])}));
    delta_p_[at] = float(score.probability - base.probability);
    same_top_[at] = score.top == base.top;
  }

  const Engine& engine_;
  const PerplexityOptions& options_;
  Session chosen_;
  std::optional<Session> baseline_;
  std::vector<float> logits_, base_logits_, hidden_, base_hidden_;
  std::vector<float> nll_, base_nll_, kld_, delta_p_;
  std::vector<char> same_top_;
};

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
  LK_RETURN_IF_ERROR(check(tokens, options));
  const auto start = std::chrono::steady_clock::now();
  const auto open = [&](const CacheSpec& cache) {
    return Session::open(engine, {cache, options.n_context, options.n_batch});
  };
  LK_ASSIGN(Session chosen, open(options.cache));
  std::optional<Session> baseline;
  if (options.baseline) {
    LK_ASSIGN(baseline, open(*options.baseline));
    baseline->set_precision(options.baseline_precision);
  }
  Evaluation evaluation(engine, options, std::move(chosen), std::move(baseline));
  const int available = int(int64_t(tokens.size()) / options.n_context);
  PerplexityResult result;
  result.n_chunks = options.n_chunks > 0 ? options.n_chunks : available;
  for (int c = 0; c < result.n_chunks; ++c) {
    const auto chunk = tokens.subspan(size_t(c * options.n_context), size_t(options.n_context));
    std::vector<int32_t> copy(chunk.begin(), chunk.end());
    if (options.bos) copy[0] = *options.bos;
    LK_RETURN_IF_ERROR(evaluation.chunk(copy));
    result.kv_bytes_per_token += evaluation.cache().bytes_per_token() / result.n_chunks;
    result.n_outliers += evaluation.cache().n_outliers();
    const double ppl = estimate_perplexity(evaluation.nll()).ppl;
    if (options.progress && !options.progress(c + 1, result.n_chunks, ppl)) {
      return make_error(ErrorCode::kCancelled, "perplexity", "stopped");
    }
  }
  const PerplexityEstimate estimate = estimate_perplexity(evaluation.nll());
  result.ppl = estimate.ppl;
  result.ppl_stderr = estimate.ppl_stderr;
  result.nll = evaluation.nll();
  result.n_scored = int64_t(result.nll.size());
  if (options.baseline) result.divergence = evaluation.divergence();
  result.exact_tokens = options.cache.n_sinks + options.cache.n_window;
  result.kv_bytes_total = evaluation.cache().used_bytes();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace lowkey::engine
