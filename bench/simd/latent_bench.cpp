// Latent attention of one decode step: ns per token and layer, and GB/s of code bytes, for a layer
// of 3 KV heads with d = 64 and a group of 3 queries each.
// Arguments: tokens of context, layers (more layers than caches hold show memory's share).
#include <benchmark/benchmark.h>

#include <limits>
#include <random>
#include <vector>

#include "bench/simd/latent_layer.h"

namespace lowkey {
namespace {

void latent_attend(benchmark::State& bench, const simd::KernelSet* set, int n_queries) {
  const Layer layer;
  const int n_tokens = int(bench.range(0)), n_layers = int(bench.range(1));
  const int64_t n_tiles = ceil_div(n_tokens, simd::kTileTokens), n_runs = n_layers * kHeads;
  const ByteBuffer cache = fill_cache(*set, layer, n_tiles * n_runs);
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 0.5f);
  std::vector<float> q(size_t(n_queries) * kHeadSize), out(q.size());
  for (float& x : q) x = normal(random);
  const std::vector<int32_t> begin(size_t(n_queries), 0), end(size_t(n_queries), n_tokens);
  std::vector<float> max(size_t(n_queries), -std::numeric_limits<float>::infinity());
  std::vector<float> sum(size_t(n_queries), 0.0f);
  for (auto _ : bench) {
    for (int64_t i = 0; i < n_runs; ++i) {
      const std::byte* tile = cache.data() + i * n_tiles * layer.tile_bytes();
      const simd::KvRun run{tile, tile + latent_part_bytes(layer.k), layer.tile_bytes(), n_tokens};
      set->latent_attend({layer.k, layer.v, &run, 1, nullptr},
                         {q.data(), begin.data(), end.data(), n_queries, kHeadSize, kHeadSize},
                         {max.data(), sum.data(), out.data()});
    }
    benchmark::DoNotOptimize(out.data());
  }
  const double tokens = double(bench.iterations()) * n_tokens * n_layers;
  bench.SetBytesProcessed(int64_t(tokens) / simd::kTileTokens * kHeads * layer.tile_bytes());
  bench.counters["per_token_layer"] =
      benchmark::Counter(tokens, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void latent_encode(benchmark::State& bench, const simd::KernelSet* set) {
  const Layer layer;
  const int n = int(bench.range(0));
  std::vector<std::byte> part(size_t(latent_part_bytes(layer.v)));
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> z(size_t(n) * kHeadSize);
  for (float& x : z) x = normal(random);
  for (auto _ : bench) {
    set->latent_encode_v(layer.v, matrix<const float>(z.data(), n, kHeadSize), 0, part.data());
    benchmark::DoNotOptimize(part.data());
  }
  bench.SetItemsProcessed(bench.iterations() * n);
}

void register_all() {
  for (const simd::KernelSet* set : simd::all_kernel_sets()) {
    if (!set->supported(cpu_features())) continue;
    const std::string name = set->name;
    for (int n_queries : {kGroup, 96}) {
      auto* bench = benchmark::RegisterBenchmark(
          ("latent_attend/" + name + "/queries:" + std::to_string(n_queries)).c_str(),
          [=](benchmark::State& state) { latent_attend(state, set, n_queries); });
      bench->Args({8192, 1});
      if (name == "scalar" || n_queries != kGroup) continue;
      bench->Args({1024, 8})->Args({1024, 240})->Args({8192, 30})->Args({65536, 30});
    }
    benchmark::RegisterBenchmark(("latent_encode/" + name).c_str(),
                                 [=](benchmark::State& state) { latent_encode(state, set); })
        ->Arg(1)
        ->Arg(16);
  }
}

}  // namespace
}  // namespace lowkey

int main(int argc, char** argv) {
  lowkey::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
