// Progress of long work on stderr: a bar on a terminal, plain lines otherwise.
#pragma once

#include <chrono>
#include <string>

namespace lowkey::apps {

class Progress {
 public:
  /// `label` begins every line; `unit` names what is counted ("layers", "chunks").
  Progress(std::string label, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` units are older than this bar and say nothing about its speed.
  void begin_at(int64_t done) { first_ = done; }

  /// `note` is shown behind the counts ("ppl 19.93"). Redraws at most ten times a second.
  void update(int64_t done, int64_t total, const std::string& note = {});

 private:
  using Clock = std::chrono::steady_clock;
  void draw_bar(int64_t done, int64_t total, const std::string& tail) const;

  std::string label_, unit_;
  bool terminal_;
  Clock::time_point start_ = Clock::now(), last_{};
  int64_t first_ = 0;  // units that were done before this bar began
  bool drawn_ = false;
};

/// "1:05", "2:03:04".
std::string format_duration(double seconds);

}  // namespace lowkey::apps
