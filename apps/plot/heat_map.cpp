#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "apps/plot/chart.h"

namespace lowkey::apps {

namespace {

/// From white over blue to dark: readable in print and for the colour-blind.
std::string colour_of(double share) {
  const double t = std::clamp(share, 0.0, 1.0);
  const auto mix = [&](double from, double to) { return int(std::lround(from + (to - from) * t)); };
  return fmt::format("#{:02x}{:02x}{:02x}", mix(247, 8), mix(251, 48), mix(255, 107));
}

}  // namespace

std::string to_svg(const HeatMap& m) {
  constexpr int kLeft = 40, kTop = 30, kBottom = 34;
  const int width = kLeft + m.n_cols * m.cell_width + 20;
  const int height = kTop + m.n_rows * m.cell_height + kBottom;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"10\">\n<rect width=\"{0}\" height=\"{1}\" "
      "fill=\"#fff\"/>"
      "<text x=\"{2}\" y=\"18\" font-weight=\"bold\" font-size=\"13\">{3}</text>\n",
      width, height, kLeft, escape_markup(m.title));
  for (int r = 0; r < m.n_rows; ++r) {
    const int y = kTop + r * m.cell_height;
    if (r % 5 == 0 && m.number_rows) {
      out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", kLeft - 5,
                         y + m.cell_height - 2, r);
    }
    for (int c = 0; c < m.n_cols; ++c) {  // one rectangle per run of equal values
      const double value = m.values[size_t(r * m.n_cols + c)];
      int end = c + 1;
      while (end < m.n_cols && m.values[size_t(r * m.n_cols + end)] == value) ++end;
      out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>",
                         kLeft + c * m.cell_width, y, (end - c) * m.cell_width, m.cell_height - 1,
                         colour_of((value - m.low) / (m.high - m.low)));
      c = end - 1;
    }
    out += '\n';
  }
  out += fmt::format(
      "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>"
      "<text transform=\"translate(12 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
      kLeft + m.n_cols * m.cell_width / 2, height - 10, escape_markup(m.x_label),
      kTop + m.n_rows * m.cell_height / 2, escape_markup(m.y_label));
  return out + "</svg>\n";
}

}  // namespace lowkey::apps
