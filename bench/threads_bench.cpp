// What one fork and join of the threads costs: the engine's team, which a decode step crosses about
// eight times a layer, beside tasks of oneTBB. Argument: threads.
#include <benchmark/benchmark.h>

#include "base/cpu.h"
#include "base/tasks.h"
#include "base/threads.h"

namespace lowkey {
namespace {

void team_run(benchmark::State& bench) {
  Team team(int(bench.range(0)));
  for (auto _ : bench) team.run([](int thread) { benchmark::DoNotOptimize(thread); });
}

void team_parallel_for(benchmark::State& bench) {
  Team team(int(bench.range(0)));
  for (auto _ : bench) {
    team.parallel_for(12, 1, [](Range piece, int) { benchmark::DoNotOptimize(piece); });
  }
}

void tasks(benchmark::State& bench) {
  for (auto _ : bench) {
    for_each_task(int(bench.range(0)), 12, [](int64_t i) { benchmark::DoNotOptimize(i); });
  }
}

void register_all() {
  for (int threads = 1; threads <= cpu_count(); threads *= 2) {
    benchmark::RegisterBenchmark("team_run", team_run)->Arg(threads);
    benchmark::RegisterBenchmark("team_parallel_for", team_parallel_for)->Arg(threads);
    benchmark::RegisterBenchmark("tasks", tasks)->Arg(threads);
  }
}

}  // namespace
}  // namespace lowkey

int main(int argc, char** argv) {
  lowkey::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
