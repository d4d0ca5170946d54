// Attention over KV tiles: bytes of tiles a second in decode (few queries, d = 64), beside a plain
// read of the same bytes in the same run, and floating-point operations a second in prefill.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/view.h"
#include "simd/select.h"

namespace lowkey {
namespace {

using simd::KvType;

constexpr int kHead = 64;
constexpr const char* kTypeNames[] = {"f32", "f16", "bf16", "q8_0", "q4_0"};

/// Tiles of one KV head with K and V parts side by side.
struct Tiles {
  Tiles(const simd::KernelSet& set, KvType type, int64_t bytes)
      : part_bytes(simd::kv_part_bytes(type, kHead)),
        n_tiles(ceil_div(bytes, 2 * part_bytes)),
        data(ByteBuffer::allocate(n_tiles * 2 * part_bytes, "tiles").value()) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> row(kHead);
    for (int64_t t = 0; t < n_tiles * simd::kTileTokens; ++t) {
      if (t < 64) std::generate(row.begin(), row.end(), [&] { return normal(random); });
      std::byte* tile = data.data() + t / simd::kTileTokens * 2 * part_bytes;
      set.encode_k(type, row.data(), kHead, int(t % simd::kTileTokens), tile);
      set.encode_v(type, row.data(), kHead, int(t % simd::kTileTokens), tile + part_bytes);
    }
  }
  simd::KvRun run() const {
    return {data.data(), data.data() + part_bytes, 2 * part_bytes,
            int(n_tiles * simd::kTileTokens)};
  }
  int64_t part_bytes;
  int64_t n_tiles;
  ByteBuffer data;
};

struct Queries {
  Queries(int n, int n_tokens)
      : q(size_t(n * kHead), 0.02f),
        max(size_t(n)),
        sum(size_t(n)),
        out(size_t(n * kHead)),
        begin(size_t(n), 0),
        end(size_t(n), n_tokens) {}
  simd::QueryBlock block() const {
    return {q.data(), begin.data(), end.data(), int(begin.size()), kHead, kHead};
  }
  simd::AttendState fresh_state() {
    std::fill(max.begin(), max.end(), -std::numeric_limits<float>::infinity());
    std::fill(sum.begin(), sum.end(), 0.0f);
    std::fill(out.begin(), out.end(), 0.0f);
    return {max.data(), sum.data(), out.data()};
  }
  std::vector<float> q, max, sum, out;
  std::vector<int32_t> begin, end;
};

void attend_bench(benchmark::State& state, const simd::KernelSet* set, KvType type, int n_queries,
                  int64_t bytes) {
  const Tiles tiles(*set, type, bytes);
  const simd::KvRun run = tiles.run();
  Queries queries(n_queries, run.n_tokens);
  for (auto _ : state) {
    set->attend(type, run, queries.block(), queries.fresh_state());
    benchmark::DoNotOptimize(queries.out.data());
  }
  state.SetBytesProcessed(state.iterations() * tiles.data.size());
  const double flops = 4.0 * kHead * n_queries * run.n_tokens * double(state.iterations());
  state.counters["flop/s"] = benchmark::Counter(flops, benchmark::Counter::kIsRate);
}

void read_bench(benchmark::State& state, int64_t bytes) {
  const ByteBuffer data = ByteBuffer::allocate(bytes, "bytes to read").value();
  const auto* words = reinterpret_cast<const uint64_t*>(data.data());
  for (auto _ : state) {
    benchmark::DoNotOptimize(std::accumulate(words, words + bytes / 8, uint64_t{0}));
  }
  state.SetBytesProcessed(state.iterations() * bytes);
}

void register_set(const simd::KernelSet* set) {
  for (int type = 0; type < 5; ++type) {
    const std::string name = std::string("attend/") + set->name + "/" + kTypeNames[type];
    for (int64_t megabytes : {1, 200}) {
      benchmark::RegisterBenchmark((name + "/decode:3/MB:" + std::to_string(megabytes)).c_str(),
                                   attend_bench, set, KvType(type), 3, megabytes * 1'000'000);
    }
    benchmark::RegisterBenchmark((name + "/prefill:96").c_str(), attend_bench, set, KvType(type),
                                 96, 512 * 1024);
  }
}

}  // namespace
}  // namespace lowkey

int main(int argc, char** argv) {
  for (int64_t megabytes : {1, 200}) {
    benchmark::RegisterBenchmark(("read/MB:" + std::to_string(megabytes)).c_str(),
                                 lowkey::read_bench, megabytes * 1'000'000);
  }
  for (const lowkey::simd::KernelSet* set : lowkey::simd::all_kernel_sets()) {
    if (!set->supported(lowkey::cpu_features()) || set->name == std::string("scalar")) continue;
    lowkey::register_set(set);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
