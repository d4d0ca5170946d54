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
  bool dashed = false;
  int colour = -1;  // series with the same number look alike; -1: the next one
};

struct LineChart {
  std::string title, x_label, y_label;
  bool log_x = false, log_y = false;
  bool y_from_zero = false;
  int width = 640, height = 400;  // without the legend, which stands to the right
  std::vector<Series> series;     // without names: shades from light to dark, no legend
};

struct HeatMap {
  std::string title, x_label, y_label;
  int n_rows = 0, n_cols = 0;
  std::vector<double> values;  // [n_rows, n_cols]
  double low = 0, high = 1;    // ends of the colour scale
  int cell_width = 4, cell_height = 10;
  bool number_rows = true;
};

/// One self-contained <svg> element.
std::string to_svg(const LineChart& chart);
std::string to_svg(const HeatMap& map);
/// Charts below each other.
std::string to_svg(const std::vector<LineChart>& charts);

/// Text safe inside SVG and HTML.
std::string escape_markup(const std::string& text);

}  // namespace lowkey::apps
