#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "apps/plot/axis.h"
#include "apps/plot/chart.h"
#include "apps/plot/labels.h"

namespace lowkey::apps {

namespace {

constexpr const char* kColours[] = {"#1b6ca8", "#d1495b", "#2e8b57", "#8d5a97", "#e08e1b",
                                    "#3a3a3a", "#00a6a6", "#a0522d", "#7f9c1c", "#c71585"};
constexpr int kLeft = 72, kRight = 16, kTop = 34, kBottom = 48;
constexpr int kLegendRow = 16, kLegendMark = 24;
constexpr size_t kMostMarks = 24;  // points of a series that are marked

struct Frame {
  Axis x, y;
};

Frame frame_of(const LineChart& c) {
  std::vector<double> xs, ys;
  if (c.y_from_zero && !c.log_y) ys.push_back(0.0);
  for (const Series& s : c.series) {
    for (const auto& [x, y] : s.points) {
      xs.push_back(x);
      ys.push_back(y);
    }
  }
  return {Axis(xs, c.log_x, kLeft, c.width - kRight), Axis(ys, c.log_y, c.height - kBottom, kTop)};
}

bool in_legend(const Series& s) { return !s.label && !s.name.empty() && !s.points.empty(); }

/// Room to the right of the axes that the names of the series take.
int legend_width(const LineChart& c) {
  double widest = 0;
  for (const Series& s : c.series) {
    if (in_legend(s)) widest = std::max(widest, kLegendMark + text_width(s.name) + 12);
  }
  return int(widest);
}

/// Colours by number; nameless series fade from light to dark in their order.
std::string colour_of(const LineChart& c, size_t i) {
  if (c.series[i].name.empty() && c.series.size() > 1) {
    const double t = double(i) / double(c.series.size() - 1);
    return fmt::format("#{:02x}{:02x}{:02x}", int(158 - 150 * t), int(202 - 154 * t),
                       int(225 - 118 * t));
  }
  const size_t number = c.series[i].colour >= 0 ? size_t(c.series[i].colour) : i;
  return kColours[number % std::size(kColours)];
}

void add_axes(const LineChart& c, const Frame& f, std::string& out) {
  const int right = c.width - kRight, bottom = c.height - kBottom;
  for (const double t : f.x.ticks()) {
    const double x = f.x.place(t);
    out += fmt::format(
        "<path class=\"grid\" d=\"M{0:.1f} {1}V{2}\"/><text x=\"{0:.1f}\" y=\"{3}\" "
        "text-anchor=\"middle\">{4}</text>\n",
        x, kTop, bottom, bottom + 16, tick_label(t));
  }
  for (const double t : f.y.ticks()) {
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

void add_series(const Frame& f, const Series& s, const std::string& colour, std::string& out) {
  std::string path, marks;
  for (const auto& [x, y] : s.points) {
    if (!f.x.shows(x) || !f.y.shows(y)) continue;
    const double at_x = f.x.place(x), at_y = f.y.place(y);
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", at_x, at_y);
    if (s.points.size() > kMostMarks || s.dashed) continue;
    marks += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>", at_x, at_y,
                         colour);
  }
  if (s.line) {
    out += fmt::format("<path fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"{} d=\"{}\"/>",
                       colour, s.dashed ? " stroke-dasharray=\"5 3\"" : "", path);
  }
  out += marks + '\n';
}

/// Names beside the last points of the series that want it.
void add_labels(const LineChart& c, const Frame& f, std::string& out) {
  LabelPlacer placer({kLeft + 2.0, kTop + 0.0, c.width - 2.0, c.height - kBottom - 2.0});
  for (const Series& s : c.series) {
    for (const auto& [x, y] : s.points) {
      if (f.x.shows(x) && f.y.shows(y)) placer.keep_clear(f.x.place(x), f.y.place(y));
    }
  }
  for (size_t i = 0; i < c.series.size(); ++i) {
    const Series& s = c.series[i];
    if (!s.label || s.points.empty()) continue;
    const auto [x, y] = s.points.back();
    if (!f.x.shows(x) || !f.y.shows(y)) continue;
    const auto [left, base] = placer.place(f.x.place(x), f.y.place(y), s.name);
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"{}\">{}</text>\n", left, base,
                       colour_of(c, i), escape_markup(s.name));
  }
}

void add_legend(const LineChart& c, std::string& out) {
  int y = kTop + 10;
  for (size_t i = 0; i < c.series.size(); ++i) {
    const Series& s = c.series[i];
    if (!in_legend(s)) continue;
    const std::string colour = colour_of(c, i);
    const int x = c.width;
    if (s.line) {
      out += fmt::format("<path fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{} d=\"M{} {}h18\"/>",
                         colour, s.dashed ? " stroke-dasharray=\"5 3\"" : "", x, y - 4);
    }
    if (!s.line || (!s.dashed && s.points.size() <= kMostMarks)) {
      out += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"3\" fill=\"{}\"/>", x + 9, y - 4, colour);
    }
    out += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", x + kLegendMark, y,
                       escape_markup(s.name));
    y += kLegendRow;
  }
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
      c.width + legend_width(c), c.height);
  const Frame frame = frame_of(c);
  add_axes(c, frame, out);
  for (size_t i = 0; i < c.series.size(); ++i) {
    add_series(frame, c.series[i], colour_of(c, i), out);
  }
  add_labels(c, frame, out);
  add_legend(c, out);
  return out + "</svg>\n";
}

std::string to_svg(const std::vector<LineChart>& charts) {
  std::string inner;
  int width = 0, height = 0;
  for (const LineChart& c : charts) {
    inner += fmt::format("<g transform=\"translate(0 {})\">{}</g>", height, to_svg(c));
    width = std::max(width, c.width + legend_width(c));
    height += c.height;
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n{2}</svg>\n",
      width, height, inner);
}

}  // namespace lowkey::apps
