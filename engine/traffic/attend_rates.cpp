#include "engine/attend/attend.h"
#include "engine/kv/latent_code.h"
#include "engine/traffic/rates.h"
#include "engine/traffic/timed.h"

namespace lowkey::engine {

namespace {

// Tokens: an even number of tasks for most numbers of threads. The slope between them is the rate.
constexpr int64_t kShort = 2 * kShortSplit, kLong = 8 * kShortSplit;
constexpr int64_t kDeep = 4096;  // tokens of each of the caches that fill kFarBytes
constexpr int64_t kMostCaches = 200;
constexpr int kNeighbours = 8;
constexpr int64_t kFewTokens = 256;  // of each of them

/// One layer of the caches of some sequences, and rows that enter them and look at them.
class AttendProbe {
 public:
  static Result<AttendProbe> create(const Context& context, const models::ModelConfig& layer,
                                    const CacheSpec& spec, int64_t n_tokens, int n_sequences = 1) {
    AttendProbe probe(context, layer);
    for (int i = 0; i < n_sequences; ++i) {
      LK_ASSIGN(KvCache cache, KvCache::create(layer, spec, n_tokens + kManyRows, kManyRows));
      probe.caches_.push_back(std::move(cache));
    }
    const int64_t n_q = int64_t{layer.n_heads} * layer.head_dim;
    const int64_t n_kv = int64_t{layer.n_kv_heads} * layer.head_dim;
    probe.q_ = random_rows(kManyRows * n_q, 1);
    probe.k_ = random_rows(kManyRows * n_kv, 2);
    probe.v_ = random_rows(kManyRows * n_kv, 3);
    return probe;
  }

  Status fill(int64_t n) {
    while (caches_[0].n_tokens() < n) {
      LK_RETURN_IF_ERROR(step(kManyRows, false));
      for (KvCache& cache : caches_) cache.commit();
    }
    return {};
  }

  /// What a layer does with its caches for n rows of each; it may be repeated.
  Status step(int64_t n, bool with_attention = true) {
    for (KvCache& cache : caches_) LK_RETURN_IF_ERROR(cache.begin_block(int(n), context_.team));
    rope_.reserve(caches_[0].n_tokens() + n);
    std::vector<Rows> rows(caches_.size(), Rows{part(q_, n), part(k_, n), part(v_, n), {}});
    const auto view = [&](std::vector<float>& x) {
      return matrix(x.data(), n, int64_t(x.size()) / n);
    };
    scratch_.blocks.clear();
    for (size_t i = 0; i < caches_.size(); ++i) {
      Rows& own = rows[i];
      own.out.resize(own.q.size());
      const KvCache::KeysValues written{view(own.k), view(own.v)};
      if (!with_attention) caches_[i].write(context_, 0, rope_, written);
      scratch_.blocks.push_back({&caches_[i], &rope_, 0, view(own.q), view(own.out), written});
    }
    const AttendShape shape{layer_.n_heads, layer_.n_kv_heads, layer_.head_dim};
    if (with_attention) attend(context_, shape, scratch_.blocks, scratch_);
    for (size_t i = 0; i < caches_.size(); ++i) {
      caches_[i].retain_recent(context_, 0, view(rows[i].k), view(rows[i].v));
    }
    return {};
  }

 private:
  struct Rows {
    std::vector<float> q, k, v, out;
  };
  AttendProbe(const Context& context, const models::ModelConfig& layer)
      : context_(context), layer_(layer), rope_(layer.rope) {}
  /// A copy of the first n rows: bases work in place.
  static std::vector<float> part(const std::vector<float>& rows, int64_t n) {
    return {rows.begin(), rows.begin() + int64_t(rows.size()) / kManyRows * n};
  }

  Context context_;
  models::ModelConfig layer_;
  std::vector<KvCache> caches_;
  RopeTable rope_;
  AttendScratch scratch_;
  std::vector<float> q_, k_, v_;
};

/// Seconds at kShort and at kLong tokens.
struct Span {
  double near = 0, far = 0;
  double more() const { return std::max(far - near, 0.1 * far); }
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

Result<CacheSpec> one_layer(const CacheSpec& spec) {
  if (!spec.latent) return spec;
  auto code = std::make_shared<LatentCode>();
  const int layer = usual_layer(*spec.latent);
  code->n_layers = 1;
  code->phases = spec.latent->phases;
  code->n_kv_heads = spec.latent->n_kv_heads;
  code->head_dim = spec.latent->head_dim;
  for (int h = 0; h < code->n_kv_heads; ++h) {
    code->k.push_back(spec.latent->k[spec.latent->index(layer, h)]);
    code->v.push_back(spec.latent->v[spec.latent->index(layer, h)]);
  }
  if (const LatentMatrices* all = spec.latent->matrices.get()) {
    LK_ASSIGN(LatentMatrices own, all->layer(layer));
    code->matrices = std::make_shared<const LatentMatrices>(std::move(own));
  }
  CacheSpec one = spec;
  one.latent = std::move(code);
  return one;
}

/// Sets attend_efficiency by a step through many caches, as if each were a layer's.
Status measure_far(const Context& context, const models::ModelConfig& layer, const CacheSpec& spec,
                   const CacheTraffic& traffic, Machine& machine) {
  const double each = step_ledger(layer, {}, traffic, {kDeep, 1, 1}).kv();
  const int64_t n_caches = std::clamp<int64_t>(int64_t(double(kFarBytes) / each), 1, kMostCaches);
  std::vector<AttendProbe> probes;
  for (int64_t i = 0; i < n_caches; ++i) {
    LK_ASSIGN(AttendProbe probe, AttendProbe::create(context, layer, spec, kDeep));
    LK_RETURN_IF_ERROR(probe.fill(kDeep));
    probes.push_back(std::move(probe));
  }
  Status status;
  const auto sweep = [&] {
    for (AttendProbe& probe : probes) {
      if (auto stepped = probe.step(1); !stepped.ok()) status = stepped;
    }
  };
  sweep();  // the first one allocates
  const double seconds = seconds_of(sweep);
  const double fixed = double(n_caches) * machine.sequence_seconds;
  machine.attend_efficiency =
      efficiency(machine, double(n_caches) * each, std::max(seconds - fixed, 0.1 * seconds));
  return status;
}

}  // namespace

Status measure_attend_rates(const Context& context, const models::ModelConfig& config,
                            const CacheSpec& spec, Machine& machine) {
  LK_ASSIGN(const CacheSpec one, one_layer(spec));
  models::ModelConfig layer = config;
  layer.n_layers = 1;
  LK_ASSIGN(const CacheTraffic traffic, cache_traffic(layer, one));
  LK_ASSIGN(AttendProbe probe, AttendProbe::create(context, layer, one, kLong));
  Status status;
  const auto seconds = [&](int64_t n) {
    return seconds_of([&] {
      if (auto stepped = probe.step(n); !stepped.ok()) status = stepped;
    });
  };
  const auto products = [&](int64_t depth, int64_t n) {
    return step_ledger(layer, {}, traffic, {depth, n, 1, true}).attend_products;
  };
  Span one_row, block;  // of a row, of a block of rows
  LK_RETURN_IF_ERROR(probe.fill(kShort));
  one_row.near = seconds(1);
  block.near = seconds(kManyRows);
  LK_RETURN_IF_ERROR(probe.fill(kLong));
  one_row.far = seconds(1);
  block.far = seconds(kManyRows);
  const auto rate = [&](const Span& span, int64_t n) {
    return (products(kLong, n) - products(kShort, n)) / span.more();
  };
  machine.attend_products = rate(one_row, 1);
  machine.attend_products_many = rate(block, kManyRows);
  machine.sequence_seconds =
      std::max(0.0, one_row.near - products(kShort, 1) / machine.attend_products);
  const double of_block = block.near - products(kShort, kManyRows) / machine.attend_products_many;
  machine.entry_seconds = std::max(0.0, of_block - machine.sequence_seconds) / (kManyRows - 1);
  LK_RETURN_IF_ERROR(status);
  LK_ASSIGN(AttendProbe many, AttendProbe::create(context, layer, one, kFewTokens, kNeighbours));
  LK_RETURN_IF_ERROR(many.fill(kFewTokens));
  const double many_seconds = seconds_of([&] {
    if (auto stepped = many.step(1); !stepped.ok()) status = stepped;
  });
  const double few_products = products(kFewTokens, 1) / machine.attend_products;
  machine.neighbour_seconds = std::max(0.0, many_seconds / kNeighbours - few_products);
  LK_RETURN_IF_ERROR(status);
  return measure_far(context, layer, one, traffic, machine);
}

}  // namespace lowkey::engine
