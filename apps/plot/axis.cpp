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
  if (logarithmic_ || low_ != 0.0) low_ -= margin;
  high_ += margin;
}

double Axis::scaled(double value) const { return logarithmic_ ? std::log10(value) : value; }

double Axis::place(double value) const {
  return begin_ + (scaled(value) - low_) / (high_ - low_) * (end_ - begin_);
}

std::vector<double> Axis::ticks() const {
  std::vector<double> ticks;
  if (logarithmic_ && high_ - low_ > 0.8) {
    // Powers of ten, and over few of them 2 and 5 times these.
    const bool few = high_ - low_ < 3.5;
    for (double e = std::floor(low_); e <= high_; e += 1) {
      for (const double digit : {1.0, 2.0, 5.0}) {
        const double tick = digit * std::pow(10.0, e), s = std::log10(tick);
        if (s >= low_ && s <= high_ && (few || digit == 1.0)) ticks.push_back(tick);
      }
    }
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
  if (size < 1e3 || size >= 1e9 || value != std::round(value)) return fmt::format("{:.6g}", value);
  std::string text = fmt::format("{:.0f}", value);
  for (size_t at = text.size(); at > (value < 0 ? 4u : 3u); at -= 3) text.insert(at - 3, ",");
  return text;
}

}  // namespace lowkey::apps
