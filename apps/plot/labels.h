// Places for names beside the points they belong to, so that none covers another.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lowkey::apps {

/// About how wide a text of the charts' font is, in pixels.
double text_width(const std::string& text);

class LabelPlacer {
 public:
  struct Box {
    double left, top, right, bottom;
  };
  /// Labels stay within `frame`.
  explicit LabelPlacer(const Box& frame) : frame_(frame) {}

  /// Where the text of a mark at (x, y) begins, and its base line: the nearest place that is free.
  std::pair<double, double> place(double x, double y, const std::string& text);
  /// No label is put upon this mark.
  void keep_clear(double x, double y);

 private:
  double overlap(const Box& box) const;

  Box frame_;
  std::vector<Box> taken_;
};

}  // namespace lowkey::apps
