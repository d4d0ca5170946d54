// Charts that can be read: ticks that tell values apart, names that cover nothing.
#include <gtest/gtest.h>

#include <set>

#include "apps/plot/axis.h"
#include "apps/plot/chart.h"
#include "apps/plot/labels.h"

namespace lowkey::apps {
namespace {

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(Axis, LabelsOfAllTicksDiffer) {
  const std::pair<double, double> ranges[] = {{0, 32768},     {1.4e-4, 2.3e-4}, {3e-7, 0.9},
                                              {100, 130},     {1, 60},          {0, 0},
                                              {2e-6, 2.2e-6}, {5e5, 4e6},       {0.001, 0.0013}};
  for (const bool logarithmic : {false, true}) {
    for (const auto& [low, high] : ranges) {
      const Axis axis({low, high}, logarithmic, 0, 500);
      const std::vector<double> ticks = axis.ticks();
      std::set<std::string> labels;
      for (const double tick : ticks) labels.insert(tick_label(tick));
      EXPECT_EQ(labels.size(), ticks.size()) << low << " to " << high;
      EXPECT_GE(ticks.size(), 2u) << low << " to " << high;
      EXPECT_LE(ticks.size(), 13u) << low << " to " << high;
    }
  }
  EXPECT_EQ(tick_label(1234567), "1,234,567");
  EXPECT_EQ(tick_label(-30000), "-30,000");
  EXPECT_EQ(tick_label(2048), "2,048");
  EXPECT_EQ(tick_label(512), "512");
  EXPECT_EQ(tick_label(0.00015), "0.00015");
}

TEST(LabelPlacer, CoversNeitherMarksNorNamesAndStaysInside) {
  LabelPlacer placer({0, 0, 300, 200});
  struct Box {
    double left, base, width;
  };
  std::vector<Box> boxes;
  for (const double x : {100.0, 104.0, 110.0, 295.0}) placer.keep_clear(x, 100);
  for (const double x : {100.0, 104.0, 110.0, 295.0}) {
    const auto [left, base] = placer.place(x, 100, "q8_0 + exact");
    boxes.push_back({left, base, text_width("q8_0 + exact")});
  }
  for (size_t i = 0; i < boxes.size(); ++i) {
    EXPECT_GE(boxes[i].left, 0.0);
    EXPECT_LE(boxes[i].left + boxes[i].width, 300.0);
    for (size_t j = 0; j < i; ++j) {
      const bool apart = boxes[i].left >= boxes[j].left + boxes[j].width ||
                         boxes[j].left >= boxes[i].left + boxes[i].width ||
                         std::abs(boxes[i].base - boxes[j].base) >= 12.0;
      EXPECT_TRUE(apart) << i << " and " << j;
    }
  }
}

TEST(LineChart, PutsTheLegendBesideTheAxes) {
  LineChart chart;
  chart.series = {{"f16", {{0, 1}, {1, 2}}}, {"f16 predicted", {{0, 1.1}, {1, 2}}}};
  chart.series[1].dashed = true;
  chart.series[0].colour = chart.series[1].colour = 3;
  const std::string svg = to_svg(chart);
  EXPECT_EQ(count(svg, ">f16<"), 1);
  EXPECT_EQ(count(svg, "stroke-dasharray"), 2) << "the line and its mark in the legend";
  EXPECT_EQ(count(svg, "stroke=\"#8d5a97\""), 4) << "both lines have the same colour";
  EXPECT_EQ(count(svg, "viewBox=\"0 0 640 "), 0) << "wider than the axes";
  for (Series& series : chart.series) series.name.clear();
  EXPECT_EQ(count(to_svg(chart), "viewBox=\"0 0 640 "), 1) << "no names, no legend";
}

TEST(LineChart, StacksSeveral) {
  LineChart chart;
  chart.title = "a < b";
  chart.series = {{"x", {{1, 1}, {2, 2}}, false, true}};
  const std::string svg = to_svg(std::vector<LineChart>{chart, chart});
  EXPECT_EQ(count(svg, "a &lt; b"), 2);
  EXPECT_EQ(count(svg, "<svg"), 3);
  EXPECT_EQ(count(svg, "</svg>"), 3);
}

}  // namespace
}  // namespace lowkey::apps
