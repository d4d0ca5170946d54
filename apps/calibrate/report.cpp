#include "apps/calibrate/report.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "apps/plot/chart.h"
#include "base/file_map.h"
#include "calib/plan.h"

namespace lowkey::apps {

namespace {

using models::BasisFile;
using models::SideBasis;

nlohmann::json side_fields(const SideBasis& side, double expected) {
  nlohmann::json heads = nlohmann::json::array();
  for (const models::HeadBasis& head : side.heads) {
    std::vector<double> spectrum;
    for (size_t i = 0; i < head.variances.size(); ++i) {
      spectrum.push_back(double(head.variances[i]) * double(head.costs[i]));
    }
    heads.push_back({{"widths", head.widths}, {"spectrum", spectrum}});
  }
  return {{"sensitivity", side.sensitivity}, {"expected_kld", expected}, {"heads", heads}};
}

/// Share of a side's error in each coordinate, mean over its heads, for every layer.
std::string spectrum_chart(const BasisFile& file, bool keys) {
  LineChart chart;
  chart.title =
      std::string(keys ? "Keys" : "Values") + ": spectrum of each layer (first light, last dark)";
  chart.x_label = "latent coordinate";
  chart.y_label = "share of the layer's error";
  chart.log_y = true;
  for (const models::LayerBasis& layer : file.layers) {
    const SideBasis& side = keys ? layer.k : layer.v;
    Series series;
    double total = 0;
    for (size_t i = 0; i < side.heads[0].variances.size(); ++i) {
      double sum = 0;
      for (const auto& head : side.heads) sum += double(head.variances[i]) * double(head.costs[i]);
      series.points.push_back({double(i), sum});
      total += sum;
    }
    for (auto& point : series.points) point.second /= total > 0 ? total : 1.0;
    chart.series.push_back(std::move(series));
  }
  return to_svg(chart);
}

std::string width_map(const BasisFile& file, bool keys) {
  HeatMap map;
  map.title = std::string(keys ? "Keys" : "Values") + ": bits per coordinate (white 0, dark 8)";
  map.x_label = "head after head, coordinates by importance";
  map.y_label = "layer";
  map.high = 8;
  for (const models::LayerBasis& layer : file.layers) {
    for (const auto& head : (keys ? layer.k : layer.v).heads) {
      map.values.insert(map.values.end(), head.widths.begin(), head.widths.end());
    }
  }
  map.n_rows = int(file.layers.size());
  map.n_cols = int(map.values.size()) / std::max(map.n_rows, 1);
  map.cell_width = std::max(1, 768 / std::max(map.n_cols, 1));
  return to_svg(map);
}

/// The layers' surfaces side by side; K's levels down, V's to the right, darker is worse.
std::string surface_maps(const BasisFile& file) {
  const int n = int(file.profile.levels.size());
  std::string out;
  for (size_t l = 0; l < file.profile.surfaces.size(); ++l) {
    HeatMap map;
    map.title = fmt::format("Layer {}", l);
    const std::string range =
        fmt::format("{:g} to {:g} bits", file.profile.levels[0], file.profile.levels.back());
    map.x_label = "V: " + range;
    map.y_label = "K: " + range;
    map.number_rows = false;
    map.n_rows = map.n_cols = n;
    map.cell_width = map.cell_height = 14;
    map.low = -12;  // powers of two of the relative error
    map.high = 0;
    for (const float error : file.profile.surfaces[l]) {
      map.values.push_back(std::log2(std::max(double(error), 1e-12)) / 2);
    }
    out += to_svg(map);
  }
  if (out.empty()) return out;
  return "<h2>Error of each layer's output over bits of K and V (powers of two: white 2^-12, dark "
         "1)</h2>\n" +
         out;
}

std::string error_chart(const calib::CalibrateResult& result) {
  LineChart chart;
  chart.title = "Expected divergence of each layer at these widths";
  chart.x_label = "layer";
  chart.y_label = "KL divergence, nats";
  chart.log_y = true;
  Series k{"keys", {}}, v{"values", {}};
  for (size_t l = 0; l < result.expected_k.size(); ++l) {
    k.points.push_back({double(l), result.expected_k[l]});
    v.points.push_back({double(l), result.expected_v[l]});
  }
  chart.series = {k, v};
  return to_svg(chart);
}

std::string budget_chart(const BasisFile& file) {
  LineChart chart;
  chart.title = file.profile.measured_kld.empty()
                    ? "What another budget would give (the sum over layers, never checked)"
                    : "What another budget would give, and what was measured on text held back";
  chart.x_label = "KV bytes per token";
  chart.y_label = "expected KL divergence, nats";
  chart.log_y = true;
  Series predicted{"predicted", {}}, measured{"measured", {}, false};
  const double n_bytes = double(calib::elements_per_token(file)) / 8;
  if (const auto front = calib::predicted_front(file); front.ok()) {
    for (const calib::FrontPoint& p : *front) {
      predicted.points.push_back({p.bytes_per_token, p.kld});
    }
  }
  for (size_t i = 0; i < file.profile.measured_kld.size(); ++i) {
    measured.points.push_back(
        {file.profile.measured_bits[i] * n_bytes, file.profile.measured_kld[i]});
  }
  chart.series = {predicted};
  if (!measured.points.empty()) chart.series.push_back(measured);
  return to_svg(chart);
}

}  // namespace

nlohmann::json report_fields(const calib::CalibrateResult& result, const ReportSource& source) {
  const BasisFile& file = result.file;
  nlohmann::json json = {
      {"model", source.model},
      {"text", source.text.empty() ? "the model's own samples" : source.text},
      {"method", file.method},
      {"space", file.space},
      {"centring", file.centring},
      {"joint", file.joint},
      {"n_tokens", file.n_tokens},
      {"bits_per_element", file.bits_per_element},
      {"kv_bytes_per_token", file.bits_per_element * double(calib::elements_per_token(file)) / 8},
      {"policy", file.policy.empty() ? "global" : file.policy},
      {"expected_kld", calib::expected_sum(file)},
      {"predicted_kld", calib::predicted_kld(file)},
      {"kld_scale", file.profile.kld_scale},
      {"kld_exponent", file.profile.kld_exponent},
      {"measured_bits", file.profile.measured_bits},
      {"measured_kld", file.profile.measured_kld},
      {"blend_kept", result.blend.kept},
      {"blend_kld_before", result.blend.kld_before},
      {"blend_kld_after", result.blend.kld_after},
      {"correction_kept", result.correction.kept},
      {"correction_kld_before", result.correction.kld_before},
      {"correction_kld_after", result.correction.kld_after},
      {"learned_loss", result.learned_loss},
      {"learned_kept", result.acceptance.kept},
      {"learned_kld_before", result.acceptance.kld_before},
      {"learned_kld_after", result.acceptance.kld_after},
      {"solver_residual", result.solver.residual},
      {"solver_orthonormality", result.solver.orthonormality},
      {"solver_biorthogonality", result.solver.biorthogonality}};
  for (size_t l = 0; l < file.layers.size(); ++l) {
    json["layers"].push_back({{"k", side_fields(file.layers[l].k, result.expected_k[l])},
                              {"v", side_fields(file.layers[l].v, result.expected_v[l])}});
  }
  return json;
}

Status write_report(const std::string& path, const calib::CalibrateResult& result,
                    const ReportSource& source) {
  nlohmann::json json = report_fields(result, source);
  LK_RETURN_IF_ERROR(write_file_atomically(path + ".json", json.dump(1)));
  std::string html =
      "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>lowkey calibration</title>"
      "<style>body{font-family:sans-serif;max-width:860px;margin:2em auto}td{padding:2px 12px 2px "
      "0}"
      "</style><h1>Calibration</h1><table>";
  json.erase("layers");
  for (const auto& [key, value] : json.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    html += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", key, escape_markup(text));
  }
  html += "</table>\n" + budget_chart(result.file) + error_chart(result);
  for (const bool keys : {true, false}) {
    html += width_map(result.file, keys) + spectrum_chart(result.file, keys);
  }
  return write_file_atomically(path + ".html", html + surface_maps(result.file) + "</html>\n");
}

}  // namespace lowkey::apps
