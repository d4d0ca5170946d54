#include "apps/inspect/basis.h"

#include <algorithm>
#include <numeric>

#include "calib/plan.h"
#include "models/basis/basis.h"

namespace lowkey::apps {

namespace {

/// Mean over the heads: bits of a coordinate, and coordinates that are stored at all.
nlohmann::json describe_side(const models::SideBasis& side) {
  double bits = 0, stored = 0, n = 0;
  for (const models::HeadBasis& head : side.heads) {
    bits += std::accumulate(head.widths.begin(), head.widths.end(), 0.0);
    stored += double(std::count_if(head.widths.begin(), head.widths.end(),
                                   [](uint8_t width) { return width > 0; }));
    n += double(head.widths.size());
  }
  const double n_heads = double(side.heads.size());
  return {{"bits", n > 0 ? bits / n : 0.0},
          {"rank", n_heads > 0 ? stored / n_heads : 0.0},
          {"sensitivity", side.sensitivity}};
}

}  // namespace

Result<nlohmann::json> describe_basis(const std::string& path, bool with_layers) {
  LK_ASSIGN(const models::BasisFile file, models::read_basis(path));
  nlohmann::json json = {{"method", file.method},
                         {"space", file.space},
                         {"centring", file.centring},
                         {"joint", file.joint},
                         {"bits_per_element", file.bits_per_element},
                         {"n_layers", file.layers.size()},
                         {"n_kv_heads", file.n_kv_heads},
                         {"head_dim", file.head_dim},
                         {"n_calibration_tokens", file.n_tokens},
                         {"seed", file.seed},
                         {"model_hash", file.model_hash},
                         {"text_hash", file.text_hash},
                         {"policy", file.policy.empty() ? "global" : file.policy}};
  if (!file.profile.levels.empty()) json["profile_levels"] = file.profile.levels;
  if (!file.profile.measured_kld.empty()) {
    json["measured_bits"] = file.profile.measured_bits;
    json["measured_kld"] = file.profile.measured_kld;
    json["predicted_kld"] = calib::predicted_kld(file);
  }
  if (!with_layers) return json;
  for (const models::LayerBasis& layer : file.layers) {
    json["layers"].push_back({{"k", describe_side(layer.k)}, {"v", describe_side(layer.v)}});
  }
  for (size_t l = 0; l < file.profile.surfaces.size(); ++l) {
    json["layers"][l]["output_error"] = file.profile.surfaces[l];
  }
  return json;
}

}  // namespace lowkey::apps
