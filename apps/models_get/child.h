// Runs another program without a shell and keeps what it said.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace lowkey::apps {

struct ChildOutcome {
  int exit_code = 0;        // 128 + N if signal N ended it
  std::string last_output;  // the end of its stdout and stderr, at most 4096 bytes
};

/// Runs `command` (program, looked up in PATH, and arguments) to its end. kNotFound if there is no
/// such program; kIo if the system can't start it.
Result<ChildOutcome> run_child(const std::vector<std::string>& command);

}  // namespace lowkey::apps
