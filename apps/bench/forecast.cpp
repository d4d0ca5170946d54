#include "apps/bench/forecast.h"

#include <algorithm>

namespace lowkey::apps {

namespace {

constexpr int64_t kBlock = 512;

void add_step(const engine::Machine& machine, const Subject& subject, const engine::StepShape& step,
              double times, Forecast& sum) {
  const engine::Ledger ledger =
      engine::step_ledger(subject.config, subject.weights, subject.cache, step);
  const engine::Prediction p = engine::predict(machine, ledger, step, subject.config.n_layers);
  sum.seconds += times * p.seconds();
  sum.memory_seconds += times * p.memory_seconds;
  sum.bytes += times * ledger.bytes();
  sum.step_bytes = ledger.bytes();
}

}  // namespace

Forecast forecast(const engine::Machine& machine, const Subject& subject, const BenchTest& test) {
  Forecast sum;
  for (int64_t done = 0; done < test.n_prompt; done += kBlock) {
    const int64_t n = std::min(kBlock, test.n_prompt - done);
    add_step(machine, subject, {test.n_depth + done, n, 1, false, test.top_k}, double(test.batch),
             sum);
  }
  if (test.n_gen > 0) {
    const int64_t middle = test.n_depth + test.n_prompt + (test.n_gen - 1) / 2;
    add_step(machine, subject, {middle, 1, test.batch, false, test.top_k}, double(test.n_gen), sum);
  }
  return sum;
}

}  // namespace lowkey::apps
