#include "apps/models_get/child.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

extern char** environ;

namespace lowkey::apps {

namespace {

constexpr size_t kKeptOutput = 4096;

Error child_error(const std::string& program, int code) {
  return make_error(code == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, program,
                    std::string("cannot start: ") + std::strerror(code));
}

std::string drain(int fd) {
  std::string kept;
  char chunk[1024];
  for (;;) {
    const ssize_t n = read(fd, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return kept;
    kept.append(chunk, size_t(n));
    if (kept.size() > 2 * kKeptOutput) kept.erase(0, kept.size() - kKeptOutput);
  }
}

int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Both output streams of the child go into `pipe_end`; its input is empty.
int spawn(const std::vector<std::string>& command, int pipe_end, pid_t* pid) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe_end, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipe_end, STDERR_FILENO);
  const int code = posix_spawnp(pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

}  // namespace

Result<ChildOutcome> run_child(const std::vector<std::string>& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return child_error(command[0], errno);
  pid_t pid = 0;
  const int code = spawn(command, ends[1], &pid);
  close(ends[1]);
  if (code != 0) {
    close(ends[0]);
    return child_error(command[0], code);
  }
  ChildOutcome outcome;
  outcome.last_output = drain(ends[0]);
  close(ends[0]);
  if (outcome.last_output.size() > kKeptOutput) {
    outcome.last_output.erase(0, outcome.last_output.size() - kKeptOutput);
  }
  outcome.exit_code = wait_for(pid);
  return outcome;
}

}  // namespace lowkey::apps
