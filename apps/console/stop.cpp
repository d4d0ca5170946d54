#include "apps/console/stop.h"

#include <csignal>

namespace lowkey::apps {

namespace {

volatile std::sig_atomic_t stop = 0;

void on_signal(int number) {
  stop = 1;
  std::signal(number, SIG_DFL);
}

}  // namespace

void watch_for_stop() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool stop_requested() { return stop != 0; }

}  // namespace lowkey::apps
