// LK_CHECK guards against our own mistakes only; whatever a user or a file can cause is a Result.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace lowkey::detail {
[[noreturn]] inline void check_failed(const char* file, int line, const char* condition,
                                      const char* why) {
  std::fprintf(stderr, "%s:%d: internal error: %s (%s)\n", file, line, condition, why);
  std::abort();
}
}  // namespace lowkey::detail

#define LK_CHECK(condition, why)                                                           \
  do {                                                                                     \
    if (!(condition)) ::lowkey::detail::check_failed(__FILE__, __LINE__, #condition, why); \
  } while (0)
