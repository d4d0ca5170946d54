// One axis of a chart: from numbers to places, and where the ticks stand.
#pragma once

#include <string>
#include <vector>

namespace lowkey::apps {

class Axis {
 public:
  /// Covers `values` (positive ones only, if logarithmic) and maps them to [begin, end].
  Axis(const std::vector<double>& values, bool logarithmic, double begin, double end);

  double place(double value) const;
  bool shows(double value) const { return !logarithmic_ || value > 0; }
  std::vector<double> ticks() const;

 private:
  double scaled(double value) const;
  bool logarithmic_;
  double low_ = 0, high_ = 1, begin_, end_;
};

/// As short as `value` is; thousands in groups.
std::string tick_label(double value);

}  // namespace lowkey::apps
