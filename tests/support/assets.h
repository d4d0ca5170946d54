// Where tests find what the repository does not carry. Absent assets mean GTEST_SKIP, not failure.
#pragma once

#include <optional>
#include <string>

namespace lowkey::testing {

/// The real model: $LOWKEY_TEST_MODEL, else the cache folder's SmolLM2-135M-Instruct.Q4_1.gguf.
std::optional<std::string> test_model_path();

/// A file of the shared folder: below $LOWKEY_SHARED, else ../shared beside the source tree.
std::optional<std::string> shared_path(const std::string& relative);

/// A file of the source tree (tests run in its root), or its path for writing.
std::string source_path(const std::string& relative);

/// A folder of the running test's own, removed when the object goes.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  /// The path of `name` inside.
  std::string path(const std::string& name = "") const;
  /// Writes `bytes` to `name` inside and returns its path.
  std::string write(const std::string& name, const std::string& bytes) const;

 private:
  std::string root_;
};

}  // namespace lowkey::testing
