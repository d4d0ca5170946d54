#include "apps/calibrate/report.h"

#include <spdlog/fmt/fmt.h>

#include "apps/plot/chart.h"
#include "base/file_map.h"

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
  chart.title = std::string(keys ? "Keys" : "Values") + ": spectrum of each layer";
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

double expected_total(const BasisFile& file) {
  double total = 0;
  for (const models::LayerBasis& layer : file.layers) {
    total += layer.k.sensitivity * calib::expected_error(layer.k) +
             layer.v.sensitivity * calib::expected_error(layer.v);
  }
  return total;
}

std::string budget_chart(BasisFile file) {
  LineChart chart;
  chart.title =
      "What another budget would give (the sum over layers, a bound rather than a promise)";
  chart.x_label = "KV bytes per token";
  chart.y_label = "expected KL divergence, nats";
  chart.log_y = true;
  Series series{"latent", {}};
  for (double bits = 1.0; bits <= 6.01; bits += 0.5) {
    if (!calib::reallocate(file, bits).ok()) continue;
    series.points.push_back(
        {bits * double(calib::elements_per_token(file)) / 8, expected_total(file)});
  }
  chart.series = {series};
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
      {"expected_kld", expected_total(file)},
      {"learned_loss", result.learned_loss},
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
  return write_file_atomically(path + ".html", html + "</html>\n");
}

}  // namespace lowkey::apps
