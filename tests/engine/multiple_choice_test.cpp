// Multiple choice made of a text: what tasks are, and answers against their definition.
#include "engine/eval/multiple_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;
using lowkey::testing::open_session;
using lowkey::testing::random_tokens;

constexpr int kVocab = 64;

ChoiceOptions small() {
  ChoiceOptions o;
  o.n_context = 100;
  o.n_answer = 5;
  o.n_spacing = 15;
  o.seed = 3;
  return o;
}

std::vector<int32_t> run(const std::vector<int32_t>& tokens, int64_t at, int n) {
  return {tokens.begin() + at, tokens.begin() + at + n};
}

TEST(ChoiceTasksTest, WrongAnswersStandElsewhereAfterTheSameToken) {
  const auto tokens = random_tokens(1000, kVocab, 1);
  const ChoiceOptions o = small();
  const auto tasks = make_choice_tasks(tokens, o);
  ASSERT_TRUE(tasks.ok()) << tasks.error().message();
  EXPECT_GT(tasks->size(), 30u);
  EXPECT_LE(tasks->size(), 40u);  // 50, 65, 80 and 95 of every context
  std::set<int> truths;
  for (const ChoiceTask& task : *tasks) {
    EXPECT_EQ(task.context % o.n_context, 0);
    EXPECT_EQ((task.question() - task.context - 50) % o.n_spacing, 0);
    EXPECT_LE(task.question() + o.n_answer, task.context + o.n_context);
    ASSERT_EQ(task.choices.size(), 4u);
    truths.insert(task.truth);
    std::set<std::vector<int32_t>> different;
    for (size_t i = 0; i < task.choices.size(); ++i) {
      const int64_t at = task.choices[i];
      different.insert(run(tokens, at, o.n_answer));
      EXPECT_EQ(tokens[size_t(at - 1)], tokens[size_t(task.question() - 1)]);
      if (int(i) == task.truth) continue;
      EXPECT_TRUE(at + o.n_answer <= task.context || at >= task.context + o.n_context);
    }
    EXPECT_EQ(different.size(), 4u);
  }
  EXPECT_EQ(truths.size(), 4u);
}

TEST(ChoiceTasksTest, TheSeedDecides) {
  const auto tokens = random_tokens(1000, kVocab, 1);
  ChoiceOptions o = small();
  const auto one = make_choice_tasks(tokens, o), again = make_choice_tasks(tokens, o);
  o.seed = 4;
  const auto other = make_choice_tasks(tokens, o);
  ASSERT_TRUE(one.ok() && again.ok() && other.ok());
  ASSERT_EQ(one->size(), again->size());
  bool differ = false;
  for (size_t i = 0; i < one->size(); ++i) {
    EXPECT_EQ((*one)[i].choices, (*again)[i].choices);
    EXPECT_EQ((*one)[i].truth, (*again)[i].truth);
    differ = differ || (*one)[i].choices != (*other)[i].choices;
  }
  EXPECT_TRUE(differ);
  o.n_tasks = 3;
  const auto few = make_choice_tasks(tokens, o);
  ASSERT_TRUE(few.ok());
  EXPECT_EQ(few->size(), 3u);
  EXPECT_EQ((*few)[2].choices, (*other)[2].choices);
}

TEST(ChoiceTasksTest, RefusesWhatGivesNoTask) {
  const auto tokens = random_tokens(1000, kVocab, 1);
  const auto code = [&](const ChoiceOptions& o, std::span<const int32_t> text) {
    const auto tasks = make_choice_tasks(text, o);
    return tasks.ok() ? ErrorCode{} : tasks.error().code;
  };
  ChoiceOptions o = small();
  EXPECT_EQ(code(o, std::span(tokens).first(99)), ErrorCode::kInvalidData);
  EXPECT_EQ(code(o, std::span(tokens).first(100)), ErrorCode::kInvalidData);  // nothing elsewhere
  o.n_tasks = 1000;
  EXPECT_EQ(code(o, tokens), ErrorCode::kInvalidData);
  o = small();
  o.n_choices = 1;
  EXPECT_EQ(code(o, tokens), ErrorCode::kInvalidArgument);
  o = small();
  o.n_context = 11;
  EXPECT_EQ(code(o, tokens), ErrorCode::kInvalidArgument);
  o = small();
  o.n_answer = 0;
  EXPECT_EQ(code(o, tokens), ErrorCode::kInvalidArgument);
}

class AnswerChoicesTest : public ::testing::TestWithParam<CacheSpec> {
 protected:
  static void SetUpTestSuite() { engine_ = lowkey::testing::exact_tiny_engine(kVocab, 2); }
  static void TearDownTestSuite() { engine_.reset(); }

  /// Of one choice, token after token from an empty cache.
  static double direct_nll(const std::vector<int32_t>& tokens, const ChoiceTask& task,
                           int64_t choice, int n_answer) {
    Session session = open_session(*engine_, {GetParam(), 100, 32});
    auto text = run(tokens, task.context, int(task.question() - task.context));
    EXPECT_TRUE(session.feed(text).ok());
    double nll = 0;
    for (const int32_t token : run(tokens, choice, n_answer)) {
      const auto logits = session.logits();
      double sum = 0;
      for (const float x : logits) sum += std::exp(double(x));
      nll += std::log(sum) - double(logits[size_t(token)]);
      EXPECT_TRUE(session.feed({&token, 1}).ok());
    }
    return nll;
  }

  static inline std::unique_ptr<Engine> engine_;
};

TEST_P(AnswerChoicesTest, EqualsItsDefinition) {
  const auto tokens = random_tokens(400, kVocab, 1);
  const ChoiceOptions o = small();
  const auto tasks = make_choice_tasks(tokens, o);
  ASSERT_TRUE(tasks.ok());
  ChoiceScoring scoring;
  scoring.cache = GetParam();
  scoring.n_batch = 32;
  int calls = 0;
  scoring.progress = [&](int done, int total, double) {
    EXPECT_EQ(done, ++calls);
    EXPECT_EQ(total, int(tasks->size()));
    return true;
  };
  const auto result = answer_choices(*engine_, tokens, *tasks, o, scoring);
  ASSERT_TRUE(result.ok()) << result.error().message();
  ASSERT_EQ(result->picks.size(), tasks->size());
  EXPECT_EQ(calls, int(tasks->size()));
  // Blocks sum otherwise than steps, and where that flips codes all later keys and values move.
  const double allowed = GetParam().type == simd::KvType::kF32 ? 2e-3 : 1e-2;
  int right = 0;
  for (size_t i = 0; i < tasks->size(); ++i) {
    const ChoiceTask& task = (*tasks)[i];
    std::vector<double> nll;
    for (const int64_t at : task.choices) {
      nll.push_back(direct_nll(tokens, task, at, o.n_answer));
    }
    EXPECT_NEAR(result->truth_nll[i], nll[size_t(task.truth)], allowed) << i;
    // No worse than the best, whoever wins a tie.
    EXPECT_NEAR(nll[size_t(result->picks[i])], std::ranges::min(nll), 2 * allowed) << i;
    right += result->picks[i] == task.truth;
  }
  const double n = double(tasks->size()), share = right / n;
  EXPECT_DOUBLE_EQ(result->accuracy, share);
  EXPECT_NEAR(result->accuracy_stderr, std::sqrt(share * (1 - share) / (n - 1)), 1e-12);
  EXPECT_GT(result->kv_bytes_per_token, 0);
}

INSTANTIATE_TEST_SUITE_P(Caches, AnswerChoicesTest,
                         ::testing::Values(cache_spec("f32"), cache_spec("q8_0", 2, 8)));

TEST(AnswerChoicesStopTest, StopsWhenTold) {
  const auto tokens = random_tokens(400, kVocab, 1);
  const auto tasks = make_choice_tasks(tokens, small());
  ASSERT_TRUE(tasks.ok());
  ChoiceScoring scoring;
  scoring.cache = cache_spec("f32");
  scoring.progress = [](int, int, double) { return false; };
  const auto engine = lowkey::testing::exact_tiny_engine(kVocab, 1);
  const auto result = answer_choices(*engine, tokens, *tasks, small(), scoring);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace lowkey::engine
