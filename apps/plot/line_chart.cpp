#include <spdlog/fmt/fmt.h>

#include "apps/plot/axis.h"
#include "apps/plot/chart.h"

namespace lowkey::apps {

namespace {

constexpr const char* kColours[] = {"#1b6ca8", "#d1495b", "#2e8b57", "#8d5a97", "#e08e1b",
                                    "#3a3a3a", "#00a6a6", "#a0522d", "#7f9c1c", "#c71585"};
constexpr int kLeft = 66, kRight = 16, kTop = 34, kBottom = 48;

struct Frame {
  Axis x, y;
};

Frame frame_of(const LineChart& c) {
  std::vector<double> xs, ys;
  for (const Series& s : c.series) {
    for (const auto& [x, y] : s.points) {
      xs.push_back(x);
      ys.push_back(y);
    }
  }
  return {Axis(xs, c.log_x, kLeft, c.width - kRight), Axis(ys, c.log_y, c.height - kBottom, kTop)};
}

void add_axes(const LineChart& c, const Frame& f, std::string& out) {
  const int right = c.width - kRight, bottom = c.height - kBottom;
  for (double t : f.x.ticks()) {
    const double x = f.x.place(t);
    out += fmt::format(
        "<path class=\"grid\" d=\"M{0:.1f} {1}V{2}\"/><text x=\"{0:.1f}\" y=\"{3}\" "
        "text-anchor=\"middle\">{4}</text>\n",
        x, kTop, bottom, bottom + 16, tick_label(t));
  }
  for (double t : f.y.ticks()) {
    const double y = f.y.place(t);
    out += fmt::format(
        "<path class=\"grid\" d=\"M{1} {0:.1f}H{2}\"/><text x=\"{3}\" y=\"{4:.1f}\" "
        "text-anchor=\"end\">{5}</text>\n",
        y, kLeft, right, kLeft - 6, y + 4, tick_label(t));
  }
  out += fmt::format("<path class=\"axis\" d=\"M{} {}V{}H{}\"/>\n", kLeft, kTop, bottom, right);
  out += fmt::format("<text x=\"{}\" y=\"20\" class=\"title\">{}</text>\n", kLeft,
                     escape_markup(c.title));
  out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                     (kLeft + right) / 2, c.height - 10, escape_markup(c.x_label));
  out += fmt::format(
      "<text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
      (kTop + bottom) / 2, escape_markup(c.y_label));
}

void add_series(const Frame& f, const Series& s, const char* colour, std::string& out) {
  std::string path, marks;
  double last_x = 0, last_y = 0;
  for (const auto& [x, y] : s.points) {
    if (!f.x.shows(x) || !f.y.shows(y)) continue;
    last_x = f.x.place(x);
    last_y = f.y.place(y);
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", last_x, last_y);
    if (s.points.size() <= 24) {
      marks += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>", last_x,
                           last_y, colour);
    }
  }
  if (s.line)
    out += fmt::format("<path fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" d=\"{}\"/>", colour,
                       path);
  out += marks;
  if (s.label) {
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"{}\">{}</text>", last_x + 6,
                       last_y - 5, colour, escape_markup(s.name));
  }
  out += '\n';
}

}  // namespace

std::string escape_markup(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string to_svg(const LineChart& c) {
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n<style>.grid{{stroke:#ddd}}.axis{{fill:none;"
      "stroke:#333}}.title{{font-weight:bold;font-size:13px}}</style>\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
      c.width, c.height);
  const Frame frame = frame_of(c);
  add_axes(c, frame, out);
  int row = 0;
  for (size_t i = 0; i < c.series.size(); ++i) {
    const char* colour = kColours[i % std::size(kColours)];
    add_series(frame, c.series[i], colour, out);
    if (c.series[i].label || c.series[i].name.empty()) continue;
    const int y = kTop + 14 + 15 * row++, x = c.width - kRight - 150;
    out += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{}\"/>"
        "<text x=\"{}\" y=\"{}\">{}</text>\n",
        x, y - 9, colour, x + 15, y, escape_markup(c.series[i].name));
  }
  return out + "</svg>\n";
}

}  // namespace lowkey::apps
