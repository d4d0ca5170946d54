#include "apps/plan/report.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "apps/plot/chart.h"
#include "calib/build.h"

namespace lowkey::apps {

namespace {

using models::BasisFile;
using models::SideBasis;

double bytes_per_bit(const BasisFile& file) { return double(calib::elements_per_token(file)) / 8; }

struct SideRow {
  double bits = 0, rank = 0, kld = 0;
};

/// Mean over heads: bits of a coordinate, coordinates that are stored; and the side's divergence.
SideRow describe(const SideBasis& side, double kld) {
  SideRow row;
  row.kld = kld;
  double n = 0;
  for (const models::HeadBasis& head : side.heads) {
    for (const uint8_t width : head.widths) {
      row.bits += width;
      row.rank += width > 0 ? 1 : 0;
      n += 1;
    }
  }
  row.bits /= std::max(n, 1.0);
  row.rank /= std::max(double(side.heads.size()), 1.0);
  return row;
}

nlohmann::json side_json(const SideBasis& side, double kld) {
  const SideRow row = describe(side, kld);
  return {{"bits", row.bits}, {"rank", row.rank}, {"expected_kld", row.kld}};
}

const char* policy_of(const BasisFile& file) {
  return file.policy.empty() ? "global" : file.policy.c_str();
}

}  // namespace

std::string plan_text(const PlanReport& r) {
  const models::ErrorProfile& profile = r.file.profile;
  std::string out = fmt::format("{} bases, policy {}; ", r.file.method, policy_of(r.file));
  out += profile.measured_kld.empty()
             ? "divergence is the sum over layers, never checked end to end\n"
             : fmt::format("divergence fitted to {} measurements on text held back\n",
                           profile.measured_kld.size());
  out += fmt::format("{:>9} {:>8} {:>14} {:>9}\n", "bits/elem", "B/token", "predicted KLD",
                     "measured");
  for (const calib::FrontPoint& p : r.front) {
    out += fmt::format("{:>9.3f} {:>8.0f} {:>14.5f}", p.bits_per_element, p.bytes_per_token, p.kld);
    for (size_t i = 0; i < profile.measured_kld.size(); ++i) {
      if (std::abs(profile.measured_bits[i] - p.bits_per_element) < 0.02) {
        out += fmt::format(" {:>9.5f}", profile.measured_kld[i]);
      }
    }
    out += '\n';
  }
  out += fmt::format("\nplan: {:.3f} bits/element, {:.0f} B/token, predicted KLD {:.5f}\n",
                     r.file.bits_per_element, r.file.bits_per_element * bytes_per_bit(r.file),
                     calib::predicted_kld(r.file));
  out += fmt::format("{:>5} {:>7} {:>6} {:>9} {:>7} {:>6} {:>9}\n", "layer", "K bits", "rank",
                     "KLD", "V bits", "rank", "KLD");
  const auto costs = calib::expected_costs(r.file);
  for (size_t l = 0; l < r.file.layers.size(); ++l) {
    const SideRow k = describe(r.file.layers[l].k, costs[l].k);
    const SideRow v = describe(r.file.layers[l].v, costs[l].v);
    out += fmt::format("{:>5} {:>7.3f} {:>6.1f} {:>9.2e} {:>7.3f} {:>6.1f} {:>9.2e}\n", l, k.bits,
                       k.rank, k.kld, v.bits, v.rank, v.kld);
  }
  return out;
}

nlohmann::json plan_json(const PlanReport& r) {
  const models::ErrorProfile& profile = r.file.profile;
  nlohmann::json json = {{"method", r.file.method},
                         {"policy", policy_of(r.file)},
                         {"rank_only", calib::is_rank_only(r.file)},
                         {"bits_per_element", r.file.bits_per_element},
                         {"kv_bytes_per_token", r.file.bits_per_element * bytes_per_bit(r.file)},
                         {"predicted_kld", calib::predicted_kld(r.file)},
                         {"measured_bits", profile.measured_bits},
                         {"measured_kld", profile.measured_kld}};
  for (const calib::FrontPoint& p : r.front) {
    json["front"].push_back({{"bits_per_element", p.bits_per_element},
                             {"kv_bytes_per_token", p.bytes_per_token},
                             {"predicted_kld", p.kld}});
  }
  const auto costs = calib::expected_costs(r.file);
  for (size_t l = 0; l < r.file.layers.size(); ++l) {
    const models::LayerBasis& layer = r.file.layers[l];
    json["layers"].push_back(
        {{"k", side_json(layer.k, costs[l].k)}, {"v", side_json(layer.v, costs[l].v)}});
  }
  return json;
}

std::string plan_svg(const PlanReport& r) {
  LineChart chart;
  chart.title = fmt::format("What a byte buys: {}, {}", r.file.method, policy_of(r.file));
  chart.x_label = "KV bytes per token";
  chart.y_label = "mean KL divergence, nats";
  chart.log_x = chart.log_y = true;
  const double n_bytes = bytes_per_bit(r.file);
  Series predicted{"predicted", {}}, measured{"measured", {}, false}, plan{"plan", {}, false, true};
  for (const calib::FrontPoint& p : r.front) {
    predicted.points.push_back({p.bytes_per_token, p.kld});
  }
  const models::ErrorProfile& profile = r.file.profile;
  for (size_t i = 0; i < profile.measured_kld.size(); ++i) {
    measured.points.push_back({profile.measured_bits[i] * n_bytes, profile.measured_kld[i]});
  }
  plan.points.push_back({r.file.bits_per_element * n_bytes, calib::predicted_kld(r.file)});
  chart.series = {predicted, measured, plan};
  return to_svg(chart);
}

}  // namespace lowkey::apps
