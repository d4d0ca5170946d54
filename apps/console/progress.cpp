#include "apps/console/progress.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cstdio>

namespace lowkey::apps {

namespace {
constexpr int kBarWidth = 24;
}

std::string format_duration(double seconds) {
  const int64_t s = int64_t(seconds + 0.5);
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

Progress::Progress(std::string label, std::string unit)
    : label_(std::move(label)), unit_(std::move(unit)), terminal_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (terminal_ && drawn_) std::fputs("\r\033[K", stderr);
}

void Progress::update(int64_t done, int64_t total, const std::string& note) {
  const auto now = Clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(2000);
  if (done < total && now - last_ < pause) return;
  last_ = now;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double rate = elapsed > 0 ? double(done - first_) / elapsed : 0.0;
  const double left = rate > 0 ? double(total - done) / rate : 0.0;
  const std::string tail =
      fmt::format("{}/{} {} [{}<{}, {:.1f}/s]{}{}", done, total, unit_, format_duration(elapsed),
                  format_duration(left), rate, note.empty() ? "" : " ", note);
  if (terminal_) {
    draw_bar(done, total, tail);
  } else if (elapsed > 1.0) {  // short work needs no lines in a log
    fmt::print(stderr, "{}: {}\n", label_, tail);
  }
  drawn_ = true;
}

void Progress::draw_bar(int64_t done, int64_t total, const std::string& tail) const {
  const int filled = total > 0 ? int(done * kBarWidth / total) : 0;
  fmt::print(stderr, "\r\033[K{}: |{}{}| {}", label_, std::string(size_t(filled), '#'),
             std::string(size_t(kBarWidth - filled), '.'), tail);
  std::fflush(stderr);
}

}  // namespace lowkey::apps
