#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>

#include "apps/calibrate/sweep.h"
#include "apps/plot/chart.h"

namespace lowkey::apps {

namespace {

std::string label_of(const SweepRow& row) {
  return row.policy.empty() ? row.name : row.name + ", " + row.policy;
}

/// Of one text: one series per method and policy; controls are single marks with their names.
LineChart chart_of(const std::vector<SweepRow>& rows, const std::string& text,
                   double SweepRow::*value, const char* what) {
  LineChart chart;
  chart.title = std::string(what) + ", " + text;
  chart.x_label = "KV bytes per token";
  chart.y_label = what;
  chart.log_x = chart.log_y = true;
  std::map<std::string, Series> methods;
  for (const SweepRow& row : rows) {
    if (row.text != text) continue;
    const std::pair<double, double> point = {row.bytes_per_token, row.*value};
    if (row.policy.empty()) {
      chart.series.push_back({row.name, {point}, false, true});
    } else {
      methods[label_of(row)].points.push_back(point);
    }
  }
  for (auto& [name, series] : methods) {
    series.name = name;
    chart.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace

nlohmann::json sweep_json(const std::vector<SweepRow>& rows) {
  nlohmann::json out = nlohmann::json::array();
  for (const SweepRow& r : rows) {
    nlohmann::json row = {{"name", r.name},
                          {"text", r.text},
                          {"bits_per_element", r.bits_per_element},
                          {"kv_bytes_per_token", r.bytes_per_token},
                          {"ppl", r.ppl},
                          {"ppl_change", r.ppl_change},
                          {"kld_mean", r.kld},
                          {"kld_mean_stderr", r.kld_stderr}};
    if (!r.policy.empty()) row.update({{"policy", r.policy}, {"predicted_kld", r.predicted_kld}});
    out.push_back(std::move(row));
  }
  return out;
}

std::string sweep_csv(const std::vector<SweepRow>& rows) {
  std::string out =
      "name,policy,text,bits_per_element,kv_bytes_per_token,ppl,ppl_change,kld_mean,kld_mean_"
      "stderr,"
      "predicted_kld\n";
  for (const SweepRow& r : rows) {
    out += fmt::format("{},{},{},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{}\n", r.name, r.policy,
                       r.text, r.bits_per_element, r.bytes_per_token, r.ppl, r.ppl_change, r.kld,
                       r.kld_stderr,
                       r.policy.empty() ? std::string() : fmt::format("{:.6g}", r.predicted_kld));
  }
  return out;
}

std::string sweep_svg(const std::vector<SweepRow>& rows) {
  std::vector<std::string> texts;
  for (const SweepRow& row : rows) {
    if (std::ranges::find(texts, row.text) == texts.end()) texts.push_back(row.text);
  }
  std::vector<LineChart> charts;
  for (const std::string& text : texts) {
    charts.push_back(chart_of(rows, text, &SweepRow::kld, "mean KL divergence, nats"));
    charts.push_back(chart_of(rows, text, &SweepRow::ppl, "perplexity"));
  }
  return to_svg(charts);
}

}  // namespace lowkey::apps
