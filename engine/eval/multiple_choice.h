// Multiple choice made of any text: which of several passages goes on from a long context? What a
// cache forgets of the context shows in the answers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace lowkey::engine {

struct ChoiceOptions {
  int64_t n_context = 512;  // tokens of a context; questions stand in its second half
  int n_tasks = 0;          // 0: as many as the text gives
  int n_choices = 4;
  int n_answer = 8;    // tokens of every choice
  int n_spacing = 64;  // tokens from one question to the next
  uint64_t seed = 0;   // of the wrong answers and of the order
};

/// Every choice is a run of n_answer tokens of the text. The true one follows the context; the
/// others stand outside of it, after the same token as the true one, so that they read on well.
struct ChoiceTask {
  int64_t context = 0;           // where the context begins
  std::vector<int64_t> choices;  // where each begins, in the order shown
  int truth = 0;                 // which of them is the true one

  int64_t question() const { return choices[size_t(truth)]; }
};

/// The same text and options give the same tasks, in the order of the text; positions without
/// enough wrong answers are passed over. kInvalidArgument for options out of range, kInvalidData
/// for a text that gives no task, or fewer than asked for.
Result<std::vector<ChoiceTask>> make_choice_tasks(std::span<const int32_t> tokens,
                                                  const ChoiceOptions& options);

struct ChoiceScoring {
  CacheSpec cache;
  int n_batch = 512;
  std::optional<int32_t> bos;  // put at the start of each context, if the model wants one
  /// After each task: tasks done, tasks in all, share of right answers so far; false stops.
  std::function<bool(int done, int total, double accuracy)> progress;
};

struct ChoiceResult {
  double accuracy = 0;
  double accuracy_stderr = 0;
  std::vector<int> picks;         // [n_tasks]: the choice of least negative log-likelihood
  std::vector<double> truth_nll;  // [n_tasks]: of the true answer, summed over its tokens, nats
  double kv_bytes_per_token = 0;  // at the end, without sinks and window
  double seconds = 0;
};

/// Answers `tasks` by the summed negative log-likelihood of each choice's tokens after the context.
Result<ChoiceResult> answer_choices(const Engine& engine, std::span<const int32_t> tokens,
                                    const std::vector<ChoiceTask>& tasks,
                                    const ChoiceOptions& options, const ChoiceScoring& scoring);

}  // namespace lowkey::engine
