// One decode step's attention over a long latent cache that no CPU cache holds, by all threads:
// GB/s of code bytes, and their share of the triad's bandwidth, measured in turns with it.
// Arguments: tokens of context, layers, threads, 1 where the mean of keys turns.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>

#include "base/cpu.h"
#include "bench/simd/latent_layer.h"
#include "engine/decoder/rope_table.h"
#include "engine/kv/chunk_table.h"
#include "engine/kv/tiles.h"
#include "engine/traffic/bandwidth.h"

namespace lowkey {
namespace {

constexpr int64_t kSplit = engine::kOwnedTokens;  // of one task, as a very long context is cut

models::RopeConfig rope_config() {
  models::RopeConfig rope;
  rope.theta = 1e5f;
  rope.n_rot = kHeadSize;
  return rope;
}

class Step {
 public:
  Step(int64_t n_tokens, int64_t n_layers)
      : n_tokens_(n_tokens),
        n_runs_(n_layers * kHeads),
        set_(simd::select_kernel_set("").value()),
        cache_(fill_cache(*set_, layer_, n_tokens / simd::kTileTokens * n_runs_)),
        rope_(rope_config()),
        table_(engine::ChunkTable::create(engine::rope_frequencies(rope_config())).value()) {
    rope_.reserve(n_tokens);
    std::mt19937 random(2);
    std::normal_distribution<float> normal(0, 0.5f);
    for (std::vector<float>* rows : {&q_, &weights_}) {
      rows->resize(kGroup * kHeadSize);
      for (float& x : *rows) x = normal(random);
    }
    constant_.assign(kGroup, 0.0f);
  }

  int64_t bytes() const { return cache_.size(); }

  double seconds(Team& team, bool turned) {
    const auto start = std::chrono::steady_clock::now();
    team.parallel_for(n_runs_ * (n_tokens_ / kSplit), 1, [&](Range tasks, int) {
      for (int64_t i = tasks.begin; i < tasks.end; ++i) attend(i, turned);
    });
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  void attend(int64_t task, bool turned) const {
    const int64_t first = task % (n_tokens_ / kSplit) * kSplit;
    const int64_t tile = (task / (n_tokens_ / kSplit) * n_tokens_ + first) / simd::kTileTokens;
    const std::byte* at = cache_.data() + tile * layer_.tile_bytes();
    const simd::KvRun run{at, at + latent_part_bytes(layer_.k), layer_.tile_bytes(), int(kSplit)};
    const simd::TurnedMean mean{&table_.phases(), rope_.row(first), weights_.data(),
                                constant_.data(), rope_.chunk_starts(first)};
    const std::vector<int32_t> begin(kGroup, 0), end(kGroup, int32_t(kSplit));
    std::vector<float> max(kGroup, -std::numeric_limits<float>::infinity()), sum(kGroup, 0.0f);
    std::vector<float> out(q_.size(), 0.0f);
    const std::byte* behind = at + kSplit / simd::kTileTokens * layer_.tile_bytes();
    const int64_t ahead =
        simd::kLatentAhead * simd::kLatentChunk / simd::kTileTokens * layer_.tile_bytes();
    const std::span<const std::byte> next(
        behind, size_t(std::min(ahead, cache_.data() + cache_.size() - behind)));
    set_->latent_attend({layer_.k, layer_.v, &run, 1, turned ? &mean : nullptr, next},
                        {q_.data(), begin.data(), end.data(), kGroup, kHeadSize, kHeadSize},
                        {max.data(), sum.data(), out.data()});
    benchmark::DoNotOptimize(out.data());
  }

  Layer layer_;
  int64_t n_tokens_, n_runs_;
  const simd::KernelSet* set_;
  ByteBuffer cache_;
  engine::RopeTable rope_;
  engine::ChunkTable table_;
  std::vector<float> q_, weights_, constant_;
};

void fused_attention(benchmark::State& bench) {
  Team team(int(bench.range(2)));
  Step step(bench.range(0), bench.range(1));
  auto probe = engine::BandwidthProbe::create(team, step.bytes());
  if (!probe.ok()) return bench.SkipWithError(probe.error().message().c_str());
  step.seconds(team, bench.range(3) != 0);
  std::vector<double> shares, triads;
  for (auto _ : bench) {
    const double triad = double(step.bytes()) / probe->triad(step.bytes());
    const double seconds = step.seconds(team, bench.range(3) != 0);
    bench.SetIterationTime(seconds);
    triads.push_back(triad * 1e-9);
    shares.push_back(double(step.bytes()) / seconds / triad);
  }
  const auto median = [](std::vector<double>& x) {
    std::nth_element(x.begin(), x.begin() + int64_t(x.size()) / 2, x.end());
    return x[x.size() / 2];
  };
  bench.SetBytesProcessed(bench.iterations() * step.bytes());
  bench.counters["triad_gb_s"] = median(triads);
  bench.counters["share_of_triad"] = median(shares);
  bench.counters["ns_per_token_layer"] = benchmark::Counter(
      1e-9 * double(bench.iterations()) * double(bench.range(0) * bench.range(1)),
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

}  // namespace
}  // namespace lowkey

int main(int argc, char** argv) {
  for (const int64_t tokens : {65536, 131072}) {
    for (const int64_t turned : {0, 1}) {
      benchmark::RegisterBenchmark("fused_attention", lowkey::fused_attention)
          ->Args({tokens, 30, lowkey::cpu_count(), turned})
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
