// The program `lowkey`: parse, call, report.
#pragma once

namespace lowkey::apps {

/// Exit code: 0 done, 1 failed while running, 2 wrong arguments or input.
int run_program(int argc, char** argv);

}  // namespace lowkey::apps
