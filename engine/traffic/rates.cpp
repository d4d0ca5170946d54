#include "engine/traffic/rates.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <vector>

#include "engine/attend/attend.h"
#include "engine/decoder/rope_table.h"
#include "engine/kv/latent_code.h"

namespace lowkey::engine {

namespace {

constexpr int64_t kMatrixBytes = int64_t{256} << 10;  // per thread: well within a level-2 cache
constexpr int64_t kShort = 1024, kLong = 2048;        // tokens; the slope between them is the rate
constexpr int64_t kFarBytes = int64_t{96} << 20;      // beyond the caches of most machines
constexpr int64_t kMostTokens = int64_t{1} << 19;
constexpr int kManyRows = 32;
constexpr int kJoins = 4;  // of a layer's matrix products; those of attention are measured with it

/// Median over batches of runs that take about a millisecond each.
template <class Body>
double seconds_of(Body body) {
  using Clock = std::chrono::steady_clock;
  const auto timed = [&](int n) {
    const auto start = Clock::now();
    for (int i = 0; i < n; ++i) body();
    return std::chrono::duration<double>(Clock::now() - start).count() / n;
  };
  timed(3);
  const int n = int(std::clamp(1e-3 / std::max(timed(3), 1e-9), 1.0, 1e5));
  std::vector<double> runs;
  for (int r = 0; r < 9; ++r) runs.push_back(timed(n));
  std::nth_element(runs.begin(), runs.begin() + 4, runs.end());
  return runs[4];
}

std::vector<float> random_rows(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(static_cast<size_t>(n));
  for (float& x : rows) x = normal(random);
  return rows;
}

/// One layer of a cache and a block of queries against it.
class AttendProbe {
 public:
  static Result<AttendProbe> create(const Context& context, const models::ModelConfig& config,
                                    const CacheSpec& spec, int64_t n_tokens) {
    AttendProbe probe(context, config);
    LK_ASSIGN(probe.cache_, KvCache::create(config, spec, n_tokens + kManyRows, kManyRows));
    const int64_t n_q = int64_t{config.n_heads} * config.head_dim;
    const int64_t n_kv = int64_t{config.n_kv_heads} * config.head_dim;
    probe.q_ = random_rows(kManyRows * n_q, 1);
    probe.k_ = random_rows(kManyRows * n_kv, 2);
    probe.v_ = random_rows(kManyRows * n_kv, 3);
    probe.out_.resize(probe.q_.size());
    return probe;
  }

  Status fill(int64_t n) {
    while (cache_.n_tokens() < n) {
      LK_RETURN_IF_ERROR(step(kManyRows, false));
      cache_.commit();
    }
    return {};
  }

  /// What a layer does with its cache for n rows; it may be repeated.
  Status step(int64_t n, bool with_attention = true) {
    LK_RETURN_IF_ERROR(cache_.begin_block(int(n)));
    std::vector<float> q(q_), k(k_), v(v_);  // bases work in place
    const auto view = [&](std::vector<float>& rows) {
      return matrix(rows.data(), n, int64_t(rows.size()) / kManyRows);
    };
    cache_.write(context_, 0, view(k), view(v));
    const AttendShape shape{config_.n_heads, config_.n_kv_heads, config_.head_dim};
    if (with_attention) attend(context_, shape, {cache_, 0, view(q), view(out_)}, scratch_);
    cache_.retain_recent(context_, 0, view(k), view(v));
    return {};
  }

 private:
  AttendProbe(const Context& context, const models::ModelConfig& config)
      : context_(context), config_(config) {}

  Context context_;
  models::ModelConfig config_;
  KvCache cache_;
  AttendScratch scratch_;
  std::vector<float> q_, k_, v_, out_;
};

/// The layer whose number of stored coordinates is the median of all.
int usual_layer(const LatentCode& code) {
  std::vector<std::pair<size_t, int>> sizes;
  for (int l = 0; l < code.n_layers; ++l) {
    size_t n = 0;
    for (int h = 0; h < code.n_kv_heads; ++h) {
      n += code.k[code.index(l, h)].steps.size() + code.v[code.index(l, h)].steps.size();
    }
    sizes.push_back({n, l});
  }
  std::nth_element(sizes.begin(), sizes.begin() + int64_t(sizes.size()) / 2, sizes.end());
  return sizes[sizes.size() / 2].second;
}

CacheSpec one_layer(const CacheSpec& spec) {
  if (!spec.latent) return spec;
  auto code = std::make_shared<LatentCode>();
  const int layer = usual_layer(*spec.latent);
  code->n_layers = 1;
  code->n_kv_heads = spec.latent->n_kv_heads;
  code->head_dim = spec.latent->head_dim;
  for (int h = 0; h < code->n_kv_heads; ++h) {
    code->k.push_back(spec.latent->k[spec.latent->index(layer, h)]);
    code->v.push_back(spec.latent->v[spec.latent->index(layer, h)]);
  }
  CacheSpec one = spec;
  one.latent = std::move(code);
  return one;
}

/// Norms, rotation and gate of one row of one layer.
double row_seconds(const Context& context, const models::ModelConfig& config) {
  const simd::KernelSet& kernels = *context.kernels;
  const int n_heads = config.n_heads + config.n_kv_heads;
  const int64_t n_ff = config.n_ff, n_embd = config.n_embd;
  const std::vector<float> row = random_rows(std::max(n_embd, 2 * n_ff), 2);
  std::vector<float> heads = random_rows(int64_t{n_heads} * config.head_dim, 3);
  std::vector<float> out(row.size());
  RopeTable rope(config.rope);
  rope.reserve(2);
  return seconds_of([&] {
    for (int norm = 0; norm < 2; ++norm) {
      kernels.rms_norm(row.data(), row.data(), n_embd, 1e-5f, out.data());
    }
    kernels.rope(heads.data(), n_heads, config.head_dim, rope.row(1), config.rope.n_rot,
                 config.rope.neighbours);
    kernels.swiglu(row.data(), row.data() + n_ff, n_ff, out.data());
  });
}

/// Products per second of one matrix of about `bytes`, by a block of n rows.
Result<double> weight_rate(const Context& context, int64_t n_cols, DType type, int64_t bytes,
                           int64_t n) {
  const int64_t n_rows =
      std::max<int64_t>(simd::kPanelRows, bytes / std::max<int64_t>(1, dtype_bytes(type, n_cols)));
  const std::vector<std::byte> zeros(size_t(dtype_bytes(type, n_rows * n_cols)));
  const models::TensorView tensor{"rate test", type, n_rows, n_cols, zeros};
  const models::TensorView* const parts[] = {&tensor};
  LK_ASSIGN(const Linear linear, Linear::pack(parts, context.team->size()));
  LK_ASSIGN(ActivationScratch scratch, ActivationScratch::allocate(n, n_cols));
  const std::vector<float> x = random_rows(n * n_cols, 1);
  std::vector<float> y(size_t(n * n_rows));
  const double seconds = seconds_of([&] {
    linear.apply(context, matrix(x.data(), n, n_cols), scratch, {y.data(), n_rows, false});
  });
  return double(n * n_rows * n_cols) / seconds;
}

/// `bytes` in `seconds` against what reading alone would take.
double efficiency(const Machine& machine, double bytes, double seconds) {
  const double read = machine.bandwidth(bytes);
  return read > 0 ? std::min(1.0, bytes / seconds / read) : 1.0;
}

}  // namespace

Status measure_weight_rates(const Context& context, const models::ModelConfig& config, DType type,
                            Machine& machine) {
  const int64_t near = kMatrixBytes * context.team->size(), n_cols = config.n_embd;
  LK_ASSIGN(machine.weight_products_one, weight_rate(context, n_cols, type, near, 1));
  LK_ASSIGN(machine.weight_products_many, weight_rate(context, n_cols, type, near, kManyRows));
  LK_ASSIGN(const double far, weight_rate(context, n_cols, type, kFarBytes, 1));
  const double n_far = double(kFarBytes) / double(dtype_bytes(type, n_cols)) * double(n_cols);
  machine.weight_efficiency = efficiency(machine, double(kFarBytes), n_far / far);
  machine.row_seconds = row_seconds(context, config);
  machine.layer_seconds = kJoins * seconds_of([&] { context.team->run([](int) {}); });
  return {};
}

Status measure_attend_rates(const Context& context, const models::ModelConfig& config,
                            const CacheSpec& spec, Machine& machine) {
  const CacheSpec one = one_layer(spec);
  models::ModelConfig layer = config;
  layer.n_layers = 1;
  LK_ASSIGN(const CacheTraffic traffic, cache_traffic(layer, one));
  const int64_t n_far =
      std::clamp(int64_t(double(kFarBytes) / std::max(1.0, traffic.layout.coded_bytes_per_token)),
                 2 * kLong, kMostTokens);
  LK_ASSIGN(AttendProbe probe, AttendProbe::create(context, layer, one, n_far));
  Status status;
  const auto seconds = [&](int64_t n) {
    return seconds_of([&] {
      if (auto stepped = probe.step(n); !stepped.ok()) status = stepped;
    });
  };
  const auto ledger = [&](int64_t depth, int64_t n) {
    return step_ledger(layer, {}, traffic, {depth, n, 1});
  };
  LK_RETURN_IF_ERROR(probe.fill(kShort));
  const double short_seconds = seconds(1);
  machine.attend_products_many = ledger(kShort, kManyRows).attend_products / seconds(kManyRows);
  LK_RETURN_IF_ERROR(probe.fill(kLong));
  const double long_seconds = seconds(1), short_products = ledger(kShort, 1).attend_products;
  const double more_seconds = std::max(long_seconds - short_seconds, 0.1 * long_seconds);
  machine.attend_products = (ledger(kLong, 1).attend_products - short_products) / more_seconds;
  machine.sequence_seconds =
      std::max(0.0, short_seconds - short_products / machine.attend_products);
  LK_RETURN_IF_ERROR(probe.fill(n_far));
  machine.attend_efficiency =
      efficiency(machine, ledger(n_far, 1).kv(), seconds(1) - machine.sequence_seconds);
  return status;
}

CacheSpec placeholder_latents(const models::ModelConfig& config, double bits) {
  const int d = config.head_dim, n_groups = d / simd::kLatentGroup;
  // A group of width w costs 4 w bits a token, the gain 8.
  const int n_bits = std::max(1, int((bits * d - 8) / simd::kLatentGroup));
  const int n_stored = std::clamp((n_bits + 2) / 3, 1, n_groups);
  LatentSideCode side;
  side.d = d;
  for (int g = 0; g < n_stored; ++g) {
    side.widths.push_back(uint8_t(std::clamp(n_bits / n_stored + (g < n_bits % n_stored), 1, 8)));
  }
  side.steps.assign(size_t(n_stored * simd::kLatentGroup), 0.25f);
  side.encoder_t.assign(size_t(d) * size_t(d), 0.0f);
  for (int i = 0; i < d; ++i) side.encoder_t[size_t(i) * size_t(d + 1)] = 1.0f;
  side.decoder = side.decoder_t = side.encoder_t;
  side.mean.assign(size_t(d), 0.0f);
  auto code = std::make_shared<LatentCode>();
  code->n_layers = 1;
  code->n_kv_heads = config.n_kv_heads;
  code->head_dim = d;
  code->k.assign(size_t(config.n_kv_heads), side);
  code->v = code->k;
  CacheSpec spec;
  spec.latent = std::move(code);
  spec.n_sinks = 4;
  spec.n_window = 32;
  return spec;
}

}  // namespace lowkey::engine
