// Small charts as SVG text: no dependency, readable in a diff, good in any browser.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lowkey::apps {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;
  bool line = true;    // else markers only
  bool label = false;  // the name beside its last point instead of the legend
};

struct LineChart {
  std::string title, x_label, y_label;
  bool log_x = false, log_y = false;
  int width = 640, height = 400;
  std::vector<Series> series;
};

struct HeatMap {
  std::string title, x_label, y_label;
  int n_rows = 0, n_cols = 0;
  std::vector<double> values;  // [n_rows, n_cols]
  double low = 0, high = 1;    // ends of the colour scale
  int cell_width = 4, cell_height = 10;
};

/// One self-contained <svg> element.
std::string to_svg(const LineChart& chart);
std::string to_svg(const HeatMap& map);

/// Text safe inside SVG and HTML.
std::string escape_markup(const std::string& text);

}  // namespace lowkey::apps
