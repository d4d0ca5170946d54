// Read and triad bandwidth of this machine by working set and threads: what the model of the memory
// system is fed with. Arguments: KiB of the working set, threads.
#include <benchmark/benchmark.h>

#include "base/cpu.h"
#include "engine/traffic/bandwidth.h"

namespace lowkey {
namespace {

template <double (engine::BandwidthProbe::*kSweep)(int64_t)>
void sweep(benchmark::State& bench) {
  const int64_t bytes = bench.range(0) << 10;
  Team team(int(bench.range(1)));
  auto probe = engine::BandwidthProbe::create(team, bytes);
  if (!probe.ok()) return bench.SkipWithError(probe.error().message().c_str());
  for (auto _ : bench) bench.SetIterationTime(((*probe).*kSweep)(bytes));
  bench.SetBytesProcessed(bench.iterations() * bytes);
}

void register_all() {
  for (int threads = 1; threads <= cpu_count(); threads *= 2) {
    for (int64_t kib : {128, 1024, 8192, 65536, 524288}) {
      benchmark::RegisterBenchmark("read", sweep<&engine::BandwidthProbe::read>)
          ->Args({kib, threads})
          ->UseManualTime();
      benchmark::RegisterBenchmark("triad", sweep<&engine::BandwidthProbe::triad>)
          ->Args({kib, threads})
          ->UseManualTime();
    }
  }
}

}  // namespace
}  // namespace lowkey

int main(int argc, char** argv) {
  lowkey::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
