#include "tests/support/store_setting.h"

#include <algorithm>
#include <random>

#include "engine/kv/load_basis.h"
#include "tests/support/half_matrix.h"
#include "tests/support/plain_attention.h"

namespace lowkey::testing {

namespace {

/// A random code of one side: an orthonormal reflection, widths that fall or none at all.
models::HeadBasis random_head(int d, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> u;
  float norm = 0.0f;
  for (int i = 0; i < d; ++i) {
    u.push_back(normal(random));
    norm += u.back() * u.back();
  }
  models::HeadBasis head;
  for (int i = 0; i < d; ++i) {
    for (int j = 0; j < d; ++j) {
      head.encoder.push_back((i == j ? 1.0f : 0.0f) - 2.0f * u[size_t(i)] * u[size_t(j)] / norm);
    }
    head.mean.push_back(0.3f * normal(random));
  }
  head.decoder = head.encoder;  // a reflection is its own inverse
  head.variances.assign(size_t(d), 1.0f);
  head.costs = head.variances;
  int width = 1 + int(random() % 8);
  for (int i = 0; i < d; ++i) {
    if (i % 4 == 0 && random() % 3 == 0) width = std::max(0, width - int(random() % 4));
    head.widths.push_back(uint8_t(width));
    head.steps.push_back(width > 0 ? 4.0f / float(1 << width) : 0.0f);
  }
  return head;
}

}  // namespace

StoreSetting::StoreSetting(Words& words) {
  std::mt19937 random(words.next() + 256u * words.next());
  config.n_layers = 1;
  config.head_dim = 8 << words.next() % 3;
  config.n_kv_heads = 1 + words.next() % 2;
  group = 1 + words.next() % 3;
  config.n_heads = config.n_kv_heads * group;
  const uint8_t means = words.next();
  config.rope.n_rot = means & 2 ? config.head_dim / 2 : config.head_dim;
  config.rope.neighbours = means & 4;
  models::BasisFile file;
  file.centring = means & 1 ? "rotary" : "mean";
  file.n_kv_heads = config.n_kv_heads;
  file.head_dim = config.head_dim;
  file.layers.resize(1);
  for (int h = 0; h < config.n_kv_heads; ++h) {
    file.layers[0].k.heads.push_back(random_head(config.head_dim, random));
    file.layers[0].v.heads.push_back(random_head(config.head_dim, random));
  }
  spec.latent = take(engine::latent_code(file, config));
  constexpr double kShares[] = {0.0, 0.03, 0.1, 1.0};
  spec.outliers = kShares[means / 8 % 4];
  spec.n_sinks = words.next() % 7;
  spec.n_window = words.next() % 40;
  const int64_t exact_bytes = 4 * config.n_kv();  // per token: keys and values as halves
  if (means & 32) spec.lazy_bytes = exact_bytes * int64_t(20 + random() % 600);
  if (means & 64) spec.adapt = {128, 0.5, 1 + int(random() % 4), (means & 128) != 0};
}

void fill_row(uint32_t id, RowKind kind, float* row, int64_t n) {
  std::minstd_rand random(id * 2654435761u + uint32_t(kind) + 1);
  const float size = random() % 16 == 0 ? 8.0f : 1.0f;
  for (int64_t i = 0; i < n; ++i) row[i] = size * (float(random() % 4001) / 1000.0f - 2.0f);
}

namespace {

const engine::SideVersion* version_of(const engine::KvCache& cache, simd::LatentSide side, int head,
                                      int64_t position) {
  const engine::LayerVersion* version = cache.versions(0).at(position);
  if (!version) return nullptr;
  return &(side == simd::LatentSide::kK ? version->k : version->v)[size_t(head)];
}

/// Latents of the file from those of a version: turn^T y + shift.
std::vector<float> left(const engine::SideVersion& version, std::vector<float> y) {
  const size_t d = version.shift.size();
  y.resize(d, 0.0f);
  std::vector<float> z = version.shift;
  for (size_t i = 0; i < d; ++i) {
    for (size_t j = 0; j < d; ++j) {
      const float turn = version.turn.empty() ? float(i == j) : version.turn[j * d + i];
      z[i] += turn * y[j];
    }
  }
  return z;
}

}  // namespace

std::vector<float> stored_latents(const engine::KvCache& cache, simd::LatentSide side, int head,
                                  int64_t position) {
  const bool keys = side == simd::LatentSide::kK;
  const engine::LatentCode& code = *cache.spec().latent;
  const engine::LatentSideCode& own = (keys ? code.k : code.v)[size_t(head)];
  std::vector<float> z(own.steps.size());
  if (z.empty()) return z;
  const auto piece = cache.coded(0).store->piece(head, position, position + 1);
  simd::LatentPlan plan = own.plan();
  if (const auto* version = version_of(cache, side, head, position)) {
    plan.steps = version->steps.data();
  }
  simd::latent_decode(side, plan, keys ? piece.run.k : piece.run.v,
                      int(position % simd::kTileTokens), z.data());
  return z;
}

bool holds_all_exact(const engine::KvCache& cache) { return !cache.coded(0).latent; }

std::vector<double> plain_read(const StoreSetting& setting, const engine::Context& context,
                               const engine::KvCache& cache, std::span<const uint32_t> ids,
                               bool exact) {
  const int d = setting.config.head_dim;
  const models::RopeConfig& rope = setting.config.rope;
  const engine::LatentCode& code = *setting.spec.latent;
  const int64_t last = int64_t(ids.size()) - 1;
  const bool all_kept = exact || holds_all_exact(cache);
  engine::RopeTable table(rope);
  table.reserve(last + 1);
  std::vector<std::vector<double>> rows;
  for (int64_t p = 0; p <= last; ++p) {
    const bool kept = all_kept || p < cache.n_sinks() || p >= cache.recent_begin(last) ||
                      cache.outliers(0, 0, p, p + 1).slots.size() > 0;
    std::vector<float> row(size_t(setting.config.n_kv()));
    for (const RowKind kind : {RowKind::kKey, RowKind::kValue}) {
      const bool keys = kind == RowKind::kKey;
      const engine::LatentSideCode& side = (keys ? code.k : code.v)[0];
      std::vector<float> mean = side.mean;
      if (keys && code.phases) {
        context.kernels->rope(mean.data(), 1, d, table.row(p), rope.n_rot, rope.neighbours);
      }
      fill_row(ids[size_t(p)], kind, row.data(), setting.config.n_kv());
      rows.emplace_back(row.begin(), row.begin() + d);
      if (kept) continue;
      const auto side_kind = keys ? simd::LatentSide::kK : simd::LatentSide::kV;
      auto z = stored_latents(cache, side_kind, 0, p);
      if (const auto* version = version_of(cache, side_kind, 0, p)) z = left(*version, z);
      rows.back() = decoded(code, keys, 0, mean, {z.begin(), z.end()});
    }
  }
  std::vector<float> q(size_t(setting.config.n_kv() * setting.group));
  fill_row(ids[size_t(last)], RowKind::kQuery, q.data(), int64_t(q.size()));
  std::vector<SeenToken> seen;
  for (size_t i = 0; i < rows.size(); i += 2) seen.push_back({rows[i].data(), rows[i + 1].data()});
  return plain_attention(q.data(), seen, d);
}

}  // namespace lowkey::testing
