#include "apps/plot/labels.h"

#include <algorithm>

namespace lowkey::apps {

namespace {

constexpr double kAscent = 9, kDescent = 3, kAside = 6, kMark = 4;

double common(double a_begin, double a_end, double b_begin, double b_end) {
  return std::max(0.0, std::min(a_end, b_end) - std::max(a_begin, b_begin));
}

}  // namespace

double text_width(const std::string& text) { return 6.4 * double(text.size()); }

void LabelPlacer::keep_clear(double x, double y) {
  taken_.push_back({x - kMark, y - kMark, x + kMark, y + kMark});
}

/// Pixels that are taken already, or lie outside.
double LabelPlacer::overlap(const Box& box) const {
  const double size = (box.right - box.left) * (box.bottom - box.top);
  double sum = size - common(box.left, box.right, frame_.left, frame_.right) *
                          common(box.top, box.bottom, frame_.top, frame_.bottom);
  for (const Box& other : taken_) {
    sum += common(box.left, box.right, other.left, other.right) *
           common(box.top, box.bottom, other.top, other.bottom);
  }
  return sum;
}

std::pair<double, double> LabelPlacer::place(double x, double y, const std::string& text) {
  const double width = text_width(text);
  Box best{};
  double least = -1;
  for (const double rise : {-5.0, 13.0, 4.0, -18.0, 26.0, -31.0, 39.0}) {
    for (const double left : {x + kAside, x - kAside - width, x - width / 2}) {
      const Box box{left, y + rise - kAscent, left + width, y + rise + kDescent};
      const double covered = overlap(box);
      if (least >= 0 && covered >= least) continue;
      best = box;
      least = covered;
    }
    if (least == 0) break;
  }
  taken_.push_back(best);
  return {best.left, best.bottom - kDescent};
}

}  // namespace lowkey::apps
