#include "engine/traffic/ledger.h"

#include <algorithm>

#include "engine/attend/split.h"
#include "engine/kv/cache.h"
#include "engine/kv/latent_code.h"

namespace lowkey::engine {

namespace {

/// Elements of one layer behind its attention. The last layer makes their products for rows alone
/// whose outcome is wanted (Decoder::Entry::last_only).
double elements_behind_attention(const models::ModelConfig& c) {
  return double(c.n_embd) * (double(c.n_q()) + 3.0 * c.n_ff);
}

double layer_elements(const models::ModelConfig& c) {
  return c.n_layers * (c.n_embd * double(c.n_q() + 2 * c.n_kv()) + elements_behind_attention(c));
}

constexpr double kUsualWidth = 3.5;  // bits of a stored coordinate of a learnt basis

double head_elements(const models::ModelConfig& c) { return double(c.n_vocab) * c.n_embd; }

/// Sums over layers and heads of what is stored of one side.
struct SideSum {
  double codes = 0, gains = 0, coordinates = 0;
};

SideSum sum_of(const std::vector<LatentSideCode>& sides) {
  SideSum sum;
  for (const LatentSideCode& side : sides) {
    if (side.steps.empty()) continue;
    sum.gains += 1;
    sum.codes += double(simd::latent_part_bytes(side.plan())) / simd::kTileTokens - 1;
    sum.coordinates += double(side.steps.size());
  }
  return sum;
}

/// Scales of q8_0 and q4_0: one f16 per 32 elements.
double scale_bytes(simd::KvType type, int64_t n_elements) {
  const bool blocks = type == simd::KvType::kQ8_0 || type == simd::KvType::kQ4_0;
  return blocks ? double(n_elements) / 16.0 : 0.0;
}

/// Cached tokens that rows at depth, depth + 1, ... see, summed over n rows, and how many of them
/// are exact.
struct Seen {
  double all = 0, exact = 0;
};

Seen seen_by(int64_t depth, int64_t n, int64_t n_exact) {
  const auto sum_to = [](double m) { return m * (m + 1) / 2; };  // 1 + 2 + ... + m
  Seen seen;
  seen.all = sum_to(double(depth + n)) - sum_to(double(depth));
  const int64_t growing = std::clamp<int64_t>(n_exact - depth, 0, n);  // rows that see fewer
  seen.exact = sum_to(double(depth + growing)) - sum_to(double(depth)) +
               double(n - growing) * double(n_exact);
  return seen;
}

/// The mean over all layers: the last one's attention is for wanted rows alone.
Seen seen_in_layers(int n_layers, const StepShape& step, int64_t n_exact) {
  const Seen seen = seen_by(step.depth, step.n_tokens, n_exact);
  const int64_t n_last = step.n_wanted();
  const Seen last = seen_by(step.depth + step.n_tokens - n_last, n_last, n_exact);
  return {seen.all + (last.all - seen.all) / n_layers,
          seen.exact + (last.exact - seen.exact) / n_layers};
}

/// Floats written once and read once: residual stream and its norm, twice a layer; q, k, v; the
/// attended heads; gate, up and their product; and the two bytes of every matmul's input.
double activation_bytes(const models::ModelConfig& c) {
  const double n_q = double(c.n_q()), n_kv = double(c.n_kv());
  const double floats = 4.0 * c.n_embd + 2 * n_q + 2 * n_kv + 3.0 * c.n_ff;
  const double inputs = 2.0 * c.n_embd + n_q + c.n_ff;
  return c.n_layers * 2 * (4 * floats + 2 * inputs);
}

/// What the k best logits read of the vocabulary projection. A row is spread over its panel.
double head_bytes(const models::ModelConfig& c, const WeightTraffic& weights,
                  const StepShape& step) {
  const bool screened =
      weights.screen_bytes > 0.0 && Screen::pays(c.n_vocab, step.batch, step.top_k);
  if (!screened) return weights.head_bytes;
  const double n_rows = double(step.batch) * Screen::n_exact(double(step.top_k));
  return weights.screen_bytes + n_rows * simd::kPanelRows * weights.head_bytes / c.n_vocab;
}

}  // namespace

WeightTraffic weight_traffic(const models::ModelConfig& config, const DecoderWeights& weights) {
  WeightTraffic traffic = weight_traffic(config, 8.0);
  traffic.head_bytes = double(weights.head().bytes());
  traffic.screen_bytes = double(weights.screen.bytes());
  traffic.layer_bytes = 0;
  for (const LayerWeights& l : weights.layers) {
    traffic.layer_bytes += double(l.qkv.bytes() + l.o.bytes() + l.gate_up.bytes() + l.down.bytes());
  }
  return traffic;
}

WeightTraffic weight_traffic(const models::ModelConfig& config, double bits) {
  const double layers = layer_elements(config), head = head_elements(config);
  return {layers * bits / 8, head * bits / 8, layers, head};
}

double n_parameters(const models::ModelConfig& c) {
  double vectors = 2.0 * c.n_embd;
  if (c.qkv_bias) vectors += double(c.n_q() + 2 * c.n_kv());
  if (c.qk_norm) vectors += 2.0 * c.head_dim;
  return layer_elements(c) + head_elements(c) * (c.tied_output ? 1 : 2) + c.n_layers * vectors +
         c.n_embd;
}

Result<CacheTraffic> cache_traffic(const models::ModelConfig& config, const CacheSpec& spec) {
  LK_ASSIGN(const KvCache cache, KvCache::create(config, spec, 1, 1));
  CacheTraffic traffic;
  traffic.layout = cache.layout();
  traffic.coordinates = double(traffic.layout.n_elements);
  traffic.carries_rows = spec.latent != nullptr;
  if (spec.latent) {
    const SideSum k = sum_of(spec.latent->k), v = sum_of(spec.latent->v);
    traffic.k_codes = k.codes;
    traffic.v_codes = v.codes;
    traffic.gains = k.gains + v.gains;
    traffic.coordinates = k.coordinates + v.coordinates;
    return traffic;
  }
  if (!spec.codec) traffic.gains = scale_bytes(spec.type, traffic.layout.n_elements);
  const double codes = traffic.layout.coded_bytes_per_token - traffic.gains;
  traffic.k_codes = traffic.v_codes = codes / 2;
  return traffic;
}

Result<CacheTraffic> latent_traffic(const models::ModelConfig& config, double bits) {
  CacheSpec spec;  // a code that exists as a number of bits only
  spec.codec = [](int, int64_t, MatrixView<float>, MatrixView<float>) {};
  spec.codec_bits_k = spec.codec_bits_v = bits;
  spec.n_sinks = 4;
  spec.n_window = 32;
  LK_ASSIGN(CacheTraffic traffic, cache_traffic(config, spec));
  const double bytes = traffic.layout.coded_bytes_per_token;
  traffic.gains = std::min(bytes, 2.0 * config.n_layers * config.n_kv_heads);
  traffic.k_codes = traffic.v_codes = (bytes - traffic.gains) / 2;
  // Codes of three to four bits pay best; below that, coordinates go unstored.
  const double most = double(traffic.layout.n_elements);
  traffic.coordinates = std::min(most, 8 * (bytes - traffic.gains) / kUsualWidth);
  traffic.carries_rows = true;
  return traffic;
}

Ledger step_ledger(const models::ModelConfig& c, const WeightTraffic& weights,
                   const CacheTraffic& cache, const StepShape& step) {
  const KvLayout& layout = cache.layout;
  const double rows = double(step.n_rows()), batch = double(step.batch);
  const int64_t last = step.depth + step.n_tokens;
  const double n_exact = double(std::min(last, layout.n_exact)), n_coded = double(last) - n_exact;
  Ledger l;
  l.weights = weights.layer_bytes + head_bytes(c, weights, step);
  l.k_codes = batch * n_coded * cache.k_codes;
  l.v_codes = batch * n_coded * cache.v_codes;
  l.gains = batch * n_coded * cache.gains;
  l.exact = batch * n_exact * layout.exact_bytes_per_token;
  l.written = rows * (layout.coded_bytes_per_token +
                      (layout.n_exact > 0 ? layout.exact_bytes_per_token : 0.0));
  l.activations = rows * activation_bytes(c);
  // Only the last row of a prompt is asked for logits; they are written and read once.
  l.logits = batch * 8.0 * c.n_vocab;
  const double unwanted = rows - batch * double(step.n_wanted());
  const double spared = unwanted * elements_behind_attention(c) / layer_elements(c);
  l.weight_products = (rows - spared) * weights.layer_elements + batch * weights.head_elements;
  const Seen seen = seen_in_layers(c.n_layers, step, layout.n_exact);
  const double group = double(c.group());
  l.attend_products =
      batch * group *
      ((seen.all - seen.exact) * cache.coordinates + seen.exact * double(layout.n_elements));
  const AttendPlan plan =
      plan_attention({c.n_heads, c.n_kv_heads, c.head_dim}, step.depth, step.n_tokens);
  l.attend_tasks = batch * double(plan.n_tasks());
  const int64_t rest = last - (plan.n_splits - 1) * plan.split_tokens;
  const double of_head = double(std::max(rest, std::min(last, plan.split_tokens))) / double(last);
  l.longest_task = plan.n_blocks > 1 ? 1.0 / l.attend_tasks : of_head / (batch * c.n_kv_heads);
  if (cache.carries_rows) {
    l.carry_products = rows * double(c.n_layers) * 2 * (c.n_heads + c.n_kv_heads) *
                       double(c.head_dim) * c.head_dim;
  }
  return l;
}

}  // namespace lowkey::engine
