#include "apps/compare/table.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>

#include "apps/common/report.h"
#include "apps/plot/chart.h"

namespace lowkey::apps {

std::string compare_text(const std::vector<CompareRow>& rows, int64_t n_context) {
  std::string out = fmt::format("{:<20} {:>9} {:>8} {:>10} {:>9} {:>8} {:>9} {:>8}", "cache",
                                "bits/elem", "B/token", fmt::format("KV@{}", n_context), "PPL",
                                "change", "mean KLD", "same top");
  for (const auto& [depth, rate] :
       rows.empty() ? decltype(CompareRow::tokens_per_second){} : rows[0].tokens_per_second) {
    out += fmt::format(" {:>10}", fmt::format("t/s@{}", depth));
  }
  out += '\n';
  for (const CompareRow& r : rows) {
    const double change = std::round(1e4 * r.ppl_change) / 100 + 0.0;  // no -0.00
    out += fmt::format("{:<20} {:>9.3f} {:>8.0f} {:>10} {:>9.4f} {:>7.2f}% {:>9.5f} {:>7.2f}%",
                       r.name, r.bits_per_element, r.kv_bytes_per_token,
                       format_bytes(double(r.kv_bytes_total)), r.ppl, change, r.kld_mean,
                       100 * r.same_top);
    for (const auto& [depth, rate] : r.tokens_per_second) out += fmt::format(" {:>10.1f}", rate);
    out += '\n';
  }
  return out;
}

nlohmann::json compare_json(const std::vector<CompareRow>& rows) {
  nlohmann::json json = nlohmann::json::array();
  for (const CompareRow& r : rows) {
    nlohmann::json row = {{"cache", r.name},
                          {"bits_per_element", r.bits_per_element},
                          {"kv_bytes_per_token", r.kv_bytes_per_token},
                          {"kv_bytes_total", r.kv_bytes_total},
                          {"ppl", r.ppl},
                          {"ppl_change", r.ppl_change},
                          {"kld_mean", r.kld_mean},
                          {"same_top", r.same_top}};
    for (const auto& [depth, rate] : r.tokens_per_second) {
      row["decode"].push_back({{"n_depth", depth}, {"avg_ts", rate}});
    }
    json.push_back(row);
  }
  return json;
}

std::string compare_svg(const std::vector<CompareRow>& rows) {
  LineChart quality;
  quality.title = "What a byte buys: divergence from the exact cache";
  quality.x_label = "KV bytes per token";
  quality.y_label = "mean KL divergence, nats";
  quality.log_x = quality.log_y = true;
  LineChart speed;
  speed.title = "Decode speed";
  speed.x_label = "tokens in the cache";
  speed.y_label = "tokens per second";
  speed.y_from_zero = true;
  for (size_t i = 0; i < rows.size(); ++i) {
    const CompareRow& r = rows[i];
    Series mark{r.name, {{r.kv_bytes_per_token, r.kld_mean}}, false, true};
    mark.colour = int(i);
    quality.series.push_back(mark);
    if (r.tokens_per_second.empty()) continue;
    Series series{r.name, {}};
    series.colour = int(i);
    for (const auto& [depth, rate] : r.tokens_per_second)
      series.points.push_back({double(depth), rate});
    speed.series.push_back(std::move(series));
  }
  return to_svg({quality, speed});
}

}  // namespace lowkey::apps
