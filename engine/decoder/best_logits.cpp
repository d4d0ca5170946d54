#include "engine/decoder/best_logits.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace lowkey::engine {

namespace {

constexpr float kSigmas = 6.0f;
constexpr int64_t kGroup = 64;        // rows looked at one by one only if the best may matter
constexpr int64_t kGroupGrain = 128;  // groups that a thread takes at a time
// Rows multiplied exactly before the bound is known, beside the k wanted ones: the more, the
// closer the bound comes to the k-th best of all.
int64_t n_first(int64_t k) { return k + k / 4 + 3; }  // Screen::pays() sees to 4 k groups

/// The largest of logits + reach * errors, 16 of n side by side.
float largest(const float* logits, const float* errors, float reach, int64_t n) {
  float top[16];
  std::fill_n(top, 16, -std::numeric_limits<float>::infinity());
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t n_own = std::min<int64_t>(n - i, 16);
    for (int64_t j = 0; j < n_own; ++j) {
      const float most = logits[i + j] + reach * errors[i + j];
      top[j] = most > top[j] ? most : top[j];
    }
  }
  return *std::max_element(top, top + 16);
}

/// The choice for one hidden state.
class Choice {
 public:
  Choice(const Context& context, const DecoderWeights& weights, const float* logits,
         BestScratch& scratch)
      : context_(context),
        screen_(weights.screen),
        head_(weights.head()),
        logits_(logits),
        n_(head_.n_rows()),
        scratch_(scratch) {}

  /// The k best of exact logits, and some more.
  void among_all(int64_t k, std::vector<Candidate>& out) {
    const bool few = k > 0 && k < n_groups();
    if (few) rank_groups(0.0f);
    const float bound = few ? nth_best(scratch_.group_top, k) : 0.0f;
    out.clear();
    for (int64_t g = 0; g < n_groups(); ++g) {
      if (few && scratch_.group_top[size_t(g)] < bound) continue;
      for (int64_t row = g * kGroup; row < group_end(g); ++row) {
        if (!few || logits_[row] >= bound) out.push_back({logits_[row], int32_t(row)});
      }
    }
  }

  /// The k best, and some more, of one hidden state, where the logits are its screen's.
  void screened(const HiddenStates& hidden, int64_t k, std::vector<Candidate>& out) {
    out.clear();
    rank_groups(0.0f);
    const float first = nth_best(scratch_.group_top, n_first(k));
    visit(first, [&](int64_t row) { return logits_[row] >= first; });
    take(hidden, out);
    scratch_.exact.clear();
    for (const Candidate& c : out) scratch_.exact.push_back(c.logit);
    const float bound = nth_best(scratch_.exact, k);
    const float reach = kSigmas * screen_.spread(hidden.x.row(0));
    rank_groups(reach);
    visit(bound, [&](int64_t row) {
      const float most = logits_[row] + reach * screen_.errors()[size_t(row)];
      return most >= bound && logits_[row] < first;  // the first ones are there already
    });
    take(hidden, out);
  }

 private:
  int64_t n_groups() const { return ceil_div(n_, kGroup); }
  int64_t group_end(int64_t g) const { return std::min(n_, (g + 1) * kGroup); }

  /// The best that the rows of every group may come to, their errors up to `reach` spreads.
  void rank_groups(float reach) {
    scratch_.group_top.resize(size_t(n_groups()));
    const float* errors = reach > 0.0f ? screen_.errors().data() : logits_;
    context_.team->parallel_for(n_groups(), kGroupGrain, [&](Range groups, int) {
      for (int64_t g = groups.begin; g < groups.end; ++g) {
        const int64_t row = g * kGroup;
        scratch_.group_top[size_t(g)] =
            largest(logits_ + row, errors + row, reach, group_end(g) - row);
      }
    });
  }

  /// The n-th best, n from 1.
  float nth_best(const std::vector<float>& values, int64_t n) {
    scratch_.ranked = values;
    const auto nth = scratch_.ranked.begin() + (n - 1);
    std::nth_element(scratch_.ranked.begin(), nth, scratch_.ranked.end(), std::greater<>());
    return *nth;
  }

  /// scratch.rows = the rows that pass, of groups that may come to `least`.
  template <class Passes>
  void visit(float least, Passes passes) {
    scratch_.rows.clear();
    for (int64_t g = 0; g < n_groups(); ++g) {
      if (scratch_.group_top[size_t(g)] < least) continue;
      for (int64_t row = g * kGroup; row < group_end(g); ++row) {
        if (passes(row)) scratch_.rows.push_back(int32_t(row));
      }
    }
  }

  /// Adds scratch.rows with their exact logits.
  void take(const HiddenStates& hidden, std::vector<Candidate>& out) {
    const std::vector<int32_t>& rows = scratch_.rows;
    scratch_.exact.resize(rows.size());
    head_.apply_rows(context_, rows, hidden.x, hidden.copies, scratch_.exact.data());
    for (size_t i = 0; i < rows.size(); ++i) out.push_back({scratch_.exact[i], rows[i]});
  }

  const Context& context_;
  const Screen& screen_;
  const Linear& head_;
  const float* logits_;
  int64_t n_;
  BestScratch& scratch_;
};

void keep_best(std::vector<Candidate>& all, int64_t k) {
  if (k >= int64_t(all.size())) k = int64_t(all.size());
  std::partial_sort(all.begin(), all.begin() + k, all.end(), better);
  all.resize(size_t(k));
}

/// The k best of exact logits, each thread those of some rows.
void choose_among_all(const Context& context, const DecoderWeights& weights,
                      MatrixView<const float> logits, int64_t k,
                      std::span<std::vector<Candidate>> out) {
  context.team->parallel_for(logits.rows, 1, [&](Range rows, int) {
    thread_local BestScratch scratch;
    Context alone = context;
    alone.team = &caller_alone();
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      std::vector<Candidate>& best = out[size_t(i)];
      Choice(alone, weights, logits.row(i), scratch).among_all(k, best);
      if (k > 0) keep_best(best, k);
    }
  });
}

}  // namespace

void best_logits(const Context& context, const DecoderWeights& weights, const HiddenStates& hidden,
                 int64_t k, BestScratch& scratch, std::span<std::vector<Candidate>> out) {
  const MatrixView<const float>& x = hidden.x;
  const int64_t n_vocab = weights.head().n_rows();
  scratch.logits.resize(size_t(x.rows * n_vocab));
  const MatrixView<float> logits = matrix(scratch.logits.data(), x.rows, n_vocab);
  if (!is_screened(weights, x.rows, k)) {
    weights.head().apply(context, x, hidden.copies, {logits.data, n_vocab, false});
    return choose_among_all(context, weights, matrix<const float>(logits.data, x.rows, n_vocab), k,
                            out);
  }
  weights.screen.apply(context, x, hidden.copies, scratch.ordered, logits);
  for (int64_t i = 0; i < x.rows; ++i) {
    std::vector<Candidate>& best = out[size_t(i)];
    const HiddenStates own{{x.row(i), 1, x.cols, x.stride}, hidden.copies};
    Choice(context, weights, logits.row(i), scratch).screened(own, k, best);
    keep_best(best, k);
  }
}

}  // namespace lowkey::engine
