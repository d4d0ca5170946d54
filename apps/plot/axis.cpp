#include "apps/plot/axis.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

namespace lowkey::apps {

Axis::Axis(const std::vector<double>& values, bool logarithmic, double begin, double end)
    : logarithmic_(logarithmic), begin_(begin), end_(end) {
  bool any = false;
  for (double v : values) {
    if (!shows(v) || !std::isfinite(v)) continue;
    const double s = scaled(v);
    low_ = any ? std::min(low_, s) : s;
    high_ = any ? std::max(high_, s) : s;
    any = true;
  }
  if (high_ <= low_) high_ = low_ + 1;
  const double margin = 0.04 * (high_ - low_);
  low_ -= margin;
  high_ += margin;
}

double Axis::scaled(double value) const { return logarithmic_ ? std::log10(value) : value; }

double Axis::place(double value) const {
  return begin_ + (scaled(value) - low_) / (high_ - low_) * (end_ - begin_);
}

std::vector<double> Axis::ticks() const {
  std::vector<double> ticks;
  if (logarithmic_ && high_ - low_ > 1.0) {
    for (double e = std::ceil(low_); e <= high_; e += 1) ticks.push_back(std::pow(10.0, e));
    return ticks;
  }
  // 1, 2 or 5 times a power of ten, five to ten of them.
  const double low = logarithmic_ ? std::pow(10.0, low_) : low_;
  const double high = logarithmic_ ? std::pow(10.0, high_) : high_;
  const double raw = (high - low) / 6, power = std::pow(10.0, std::floor(std::log10(raw)));
  const double digit = raw / power;
  const double step = power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
  for (double t = std::ceil(low / step) * step; t <= high; t += step) {
    ticks.push_back(std::fabs(t) < step * 1e-9 ? 0.0 : t);
  }
  return ticks;
}

std::string tick_label(double value) {
  const double size = std::fabs(value);
  if (size != 0 && (size < 1e-3 || size >= 1e5)) return fmt::format("{:.0e}", value);
  return fmt::format("{:.6g}", value);
}

}  // namespace lowkey::apps
