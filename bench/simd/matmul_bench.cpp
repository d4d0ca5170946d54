// Quantised matrix products on one core, against a plain streaming read of the same bytes.
// Arguments: megabytes of weights, tokens, lo part present (1 or 0). Counters: GB/s of weight
// bytes; MAC/cycle (one weight times one activation), with the clock measured beside each run.
#include <benchmark/benchmark.h>
#include <time.h>

#include <random>
#include <string>

#include "base/arena.h"
#include "base/buffer.h"
#include "simd/select.h"

namespace lowkey {
namespace {

constexpr int64_t kCols = 2048;

/// CPU time: what a shared machine gave to others does not count.
double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

/// Cycles per second, from a chain of dependent multiplications: three cycles each on the cores
/// we know (additions of constants cost newer ones nothing).
double clock_rate() {
  constexpr int64_t kSteps = 1'000'000;
  const double start = thread_seconds();
  uint64_t x = 3;
  for (int64_t i = 0; i < kSteps; ++i) {
    x *= 0x9e3779b97f4a7c15u;
    asm volatile("" : "+r"(x));
  }
  return 3 * double(kSteps) / (thread_seconds() - start);
}

struct Data {
  simd::PanelMatrix w;
  Arena arena{int64_t{32} << 20};
  ArenaBlock weights;  // in huge pages, as in the engine
  ByteBuffer integers, y;
  Buffer<float> scale;
  Buffer<int32_t> sum;
  simd::Activations a;

  /// Random bytes; small positive scales, so that nothing overflows.
  Data(const simd::PanelFormat& format, int64_t megabytes, int64_t n_tokens, bool with_lo) {
    const int64_t panel = panel_bytes(format, kCols);
    const int64_t n_panels = std::max<int64_t>(1, megabytes * 1'000'000 / panel);
    w = {format, n_panels * simd::kPanelRows, kCols, nullptr};
    weights = arena.take(n_panels * panel, "bench").value();
    std::mt19937_64 random(1);
    auto* words = reinterpret_cast<uint64_t*>(weights.data());
    for (int64_t i = 0; i < weights.size() / 8; ++i) words[i] = random() & 0x1fff1fff1fff1fff;
    w.data = weights.data();
    const int64_t n = n_tokens * kCols;
    integers = ByteBuffer::allocate(2 * n, "bench").value();
    for (int64_t i = 0; i < 2 * n; ++i) integers.data()[i] = std::byte(random() % 64);
    scale = Buffer<float>::allocate(n / 32, "bench").value();
    for (float& s : scale.span()) s = 1e-6f;
    sum = Buffer<int32_t>::allocate(n / 16, "bench").value();
    y = ByteBuffer::allocate(4 * n_tokens * w.n_rows, "bench").value();
    auto* hi = reinterpret_cast<int8_t*>(integers.data());
    a = {n_tokens, kCols, hi, with_lo ? hi + n : nullptr, scale.data(), sum.data()};
  }
};

void matmul(benchmark::State& bench, const simd::KernelSet* set, simd::PanelFormat format) {
  const int64_t n_tokens = bench.range(1);
  Data data(format, bench.range(0), n_tokens, bench.range(2) != 0);
  const simd::MatmulOut out{reinterpret_cast<float*>(data.y.data()), data.w.n_rows, false};
  const double clock = clock_rate();
  for (auto _ : bench) {
    set->matmul_quantized(data.w, {0, data.w.n_panels()}, data.a, out);
    benchmark::ClobberMemory();
  }
  const double macs = double(data.w.n_rows * kCols * n_tokens) * double(bench.iterations());
  bench.SetBytesProcessed(bench.iterations() * data.weights.size());
  bench.counters["MAC/cycle"] = benchmark::Counter(macs / clock, benchmark::Counter::kIsRate);
}

/// The yardstick: every byte once, nothing done with it.
void read(benchmark::State& bench) {
  Data data({simd::PanelType::kU4, 8, false, 32}, bench.range(0), 1, false);
  const auto* words = reinterpret_cast<const uint64_t*>(data.weights.data());
  for (auto _ : bench) {
    uint64_t sums[8] = {};
    for (int64_t i = 0; i + 8 <= data.weights.size() / 8; i += 8) {
      for (int k = 0; k < 8; ++k) sums[k] += words[i + k];
    }
    benchmark::DoNotOptimize(sums);
  }
  bench.SetBytesProcessed(bench.iterations() * data.weights.size());
}

void register_all() {
  const std::pair<const char*, simd::PanelFormat> formats[] = {
      {"Q4_0", {simd::PanelType::kU4, 8, false, 32}},
      {"Q4_1", {simd::PanelType::kU4, 0, true, 32}},
      {"Q5_0", {simd::PanelType::kU5, 16, false, 32}},
      {"Q6_K", {simd::PanelType::kU6, 32, false, 16}},
      {"Q8_0", {simd::PanelType::kU8, 128, false, 32}}};
  benchmark::RegisterBenchmark("read", read)->Args({1})->Args({64})->Args({1024});
  for (const simd::KernelSet* set : simd::all_kernel_sets()) {
    if (!set->supported(cpu_features()) || std::string(set->name) == "scalar") continue;
    for (const auto& [name, format] : formats) {
      const std::string label = std::string(set->name) + "/" + name;
      auto* bench = benchmark::RegisterBenchmark(label.c_str(), matmul, set, format);
      for (int64_t megabytes : {1, 64}) bench->Args({megabytes, 1, 1})->Args({megabytes, 1, 0});
      for (int64_t n_tokens : {2, 4, 8, 512}) bench->Args({1, n_tokens, 1})->Args({1, n_tokens, 0});
      for (int64_t n_tokens : {2, 4, 8}) bench->Args({64, n_tokens, 1});
    }
  }
}

}  // namespace
}  // namespace lowkey

int main(int argc, char** argv) {
  lowkey::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
