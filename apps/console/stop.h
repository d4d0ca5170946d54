// Ctrl-C as a question that long work asks, instead of an end in the middle of it.
#pragma once

namespace lowkey::apps {

/// From now on the first SIGINT or SIGTERM only makes stop_requested() true; the second one ends
/// the process as usual.
void watch_for_stop();
bool stop_requested();

}  // namespace lowkey::apps
