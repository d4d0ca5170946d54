#include "engine/eval/multiple_choice.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>

#include "engine/eval/compare_rows.h"

namespace lowkey::engine {

namespace {

/// Draws the wrong answers.
class TaskMaker {
 public:
  TaskMaker(std::span<const int32_t> tokens, const ChoiceOptions& options)
      : tokens_(tokens), o_(options), rng_(options.seed) {
    for (size_t i = 1; i + size_t(o_.n_answer) <= tokens.size(); ++i) {
      after_[tokens[i - 1]].push_back(int64_t(i));
    }
  }

  /// A task whose true answer begins at `question`; none if too few passages follow its token.
  std::optional<ChoiceTask> make(int64_t context, int64_t question) {
    std::vector<int64_t> others;
    for (const int64_t at : after_[tokens_[size_t(question) - 1]]) {
      const bool outside = at + o_.n_answer <= context || at >= context + o_.n_context;
      if (outside) others.push_back(at);
    }
    ChoiceTask task{context, {question}, 0};
    // Own draws: the standard's distributions differ between libraries.
    while (!others.empty() && int(task.choices.size()) < o_.n_choices) {
      std::swap(others[rng_() % others.size()], others.back());
      const int64_t at = others.back();
      others.pop_back();
      const auto same = [&](int64_t other) { return std::ranges::equal(run(at), run(other)); };
      if (std::ranges::none_of(task.choices, same)) task.choices.push_back(at);
    }
    if (int(task.choices.size()) < o_.n_choices) return std::nullopt;
    task.truth = int(rng_() % task.choices.size());
    std::swap(task.choices[0], task.choices[size_t(task.truth)]);
    return task;
  }

 private:
  std::span<const int32_t> run(int64_t at) const {
    return tokens_.subspan(size_t(at), size_t(o_.n_answer));
  }

  std::span<const int32_t> tokens_;
  const ChoiceOptions& o_;
  std::mt19937_64 rng_;
  std::unordered_map<int32_t, std::vector<int64_t>> after_;  // positions that follow a token
};

Status check(const ChoiceOptions& o) {
  const auto expected = [](const char* option, const char* what, int64_t found) {
    return make_error(ErrorCode::kInvalidArgument, option,
                      std::string("expected ") + what + ", found " + std::to_string(found));
  };
  if (o.n_choices < 2) return expected("choices", "at least 2", o.n_choices);
  if (o.n_answer < 1) return expected("tokens of a choice", "at least 1", o.n_answer);
  if (o.n_spacing < 1) return expected("spacing of questions", "at least 1", o.n_spacing);
  if (o.n_context < 2 * o.n_answer + 2) {
    return expected("-c", "a context of more than two answers", o.n_context);
  }
  return {};
}

class Answerer {
 public:
  Answerer(const Engine& engine, std::span<const int32_t> tokens, const ChoiceOptions& options,
           Session session)
      : engine_(engine), tokens_(tokens), o_(options), session_(std::move(session)) {}

  Status begin_context(const ChoiceTask& task, std::optional<int32_t> bos) {
    session_.truncate(0);
    const int32_t first = bos ? *bos : tokens_[size_t(task.context)];
    return session_.feed({&first, 1});
  }

  /// Negative log-likelihood of every choice.
  Result<std::vector<double>> answer(const ChoiceTask& task) {
    const int64_t n = task.question() - task.context, fed = session_.n_tokens();
    LK_RETURN_IF_ERROR(session_.feed(tokens_.subspan(size_t(task.context + fed), size_t(n - fed))));
    const std::span<const float> last = session_.logits();
    const std::vector<float> first(last.begin(), last.end());
    std::vector<double> nll;
    for (const int64_t at : task.choices) {
      LK_ASSIGN(const double own, score(tokens_.subspan(size_t(at), size_t(o_.n_answer)), first));
      nll.push_back(own);
      session_.truncate(n);
    }
    return nll;
  }

  const KvCache& cache() const { return session_.cache(); }

 private:
  Result<double> score(std::span<const int32_t> answer, const std::vector<float>& first) {
    double sum = score(first, answer[0]);
    if (answer.size() == 1) return sum;
    const size_t n_vocab = first.size();
    LK_RETURN_IF_ERROR(session_.feed(
        answer.first(answer.size() - 1), [&](int64_t, MatrixView<const float> hidden) {
          const std::vector<float> rows(hidden.data, hidden.data + hidden.rows * hidden.cols);
          logits_.resize(size_t(hidden.rows) * n_vocab);
          session_.logits(matrix<const float>(rows.data(), hidden.rows, hidden.cols),
                          logits_.data());
          return Status();
        }));
    for (size_t i = 0; i + 1 < answer.size(); ++i) {
      sum += score({logits_.data() + i * n_vocab, n_vocab}, answer[i + 1]);
    }
    return sum;
  }

  double score(std::span<const float> logits, int32_t token) {
    scratch_.resize(logits.size());
    return score_row(*engine_.context().kernels, logits, token, scratch_.data()).nll;
  }

  const Engine& engine_;
  std::span<const int32_t> tokens_;
  const ChoiceOptions& o_;
  Session session_;
  std::vector<float> logits_, scratch_;
};

void finish(const std::vector<ChoiceTask>& tasks, ChoiceResult& result) {
  int right = 0;
  for (size_t i = 0; i < result.picks.size(); ++i) right += result.picks[i] == tasks[i].truth;
  const double n = double(result.picks.size());
  result.accuracy = double(right) / n;
  result.accuracy_stderr =
      n > 1 ? std::sqrt(result.accuracy * (1.0 - result.accuracy) / (n - 1)) : 0.0;
}

}  // namespace

Result<std::vector<ChoiceTask>> make_choice_tasks(std::span<const int32_t> tokens,
                                                  const ChoiceOptions& o) {
  LK_RETURN_IF_ERROR(check(o));
  TaskMaker maker(tokens, o);
  std::vector<ChoiceTask> tasks;
  const auto enough = [&] { return o.n_tasks > 0 && int(tasks.size()) >= o.n_tasks; };
  const auto n_tokens = int64_t(tokens.size());
  for (int64_t context = 0; context + o.n_context <= n_tokens; context += o.n_context) {
    const int64_t last = context + o.n_context - o.n_answer;
    for (int64_t at = context + o.n_context / 2; at <= last && !enough(); at += o.n_spacing) {
      if (auto task = maker.make(context, at)) tasks.push_back(std::move(*task));
    }
  }
  const int wanted = std::max(o.n_tasks, 1);
  if (int(tasks.size()) >= wanted) return tasks;
  return make_error(ErrorCode::kInvalidData, "text",
                    "expected enough for " + std::to_string(wanted) +
                        " multiple-choice tasks, found " + std::to_string(tasks.size()));
}

Result<ChoiceResult> answer_choices(const Engine& engine, std::span<const int32_t> tokens,
                                    const std::vector<ChoiceTask>& tasks, const ChoiceOptions& o,
                                    const ChoiceScoring& scoring) {
  const auto start = std::chrono::steady_clock::now();
  LK_ASSIGN(Session session, Session::open(engine, {scoring.cache, o.n_context, scoring.n_batch}));
  Answerer answerer(engine, tokens, o, std::move(session));
  ChoiceResult result;
  int right = 0;
  for (size_t i = 0; i < tasks.size(); ++i) {
    const ChoiceTask& task = tasks[i];
    if (i == 0 || task.context != tasks[i - 1].context) {
      LK_RETURN_IF_ERROR(answerer.begin_context(task, scoring.bos));
    }
    LK_ASSIGN(const std::vector<double> nll, answerer.answer(task));
    result.picks.push_back(int(std::ranges::min_element(nll) - nll.begin()));
    result.truth_nll.push_back(nll[size_t(task.truth)]);
    right += result.picks.back() == task.truth;
    if (!scoring.progress) continue;
    if (!scoring.progress(int(i) + 1, int(tasks.size()), right / double(i + 1))) {
      return make_error(ErrorCode::kCancelled, "multiple choice", "stopped");
    }
  }
  finish(tasks, result);
  result.kv_bytes_per_token = answerer.cache().bytes_per_token();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace lowkey::engine
