// The rows of a comparison as a table, as JSON and as a plot.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace lowkey::apps {

struct CompareRow {
  std::string name;
  double bits_per_element = 0;
  double kv_bytes_per_token = 0;
  int64_t kv_bytes_total = 0;  // at the comparison's context, exact tokens included
  double ppl = 0, ppl_change = 0, kld_mean = 0, same_top = 0;
  std::vector<std::pair<int64_t, double>> tokens_per_second;  // by depth
};

std::string compare_text(const std::vector<CompareRow>& rows, int64_t n_context);
nlohmann::json compare_json(const std::vector<CompareRow>& rows);
/// Mean KL divergence against bytes per token, and decode speed against depth.
std::string compare_svg(const std::vector<CompareRow>& rows);

}  // namespace lowkey::apps
