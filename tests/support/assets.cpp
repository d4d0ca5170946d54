#include "tests/support/assets.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace lowkey::testing {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModelFile = "SmolLM2-135M-Instruct.Q4_1.gguf";

std::optional<std::string> existing(const fs::path& path) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) return path.string();
  return {};
}

std::optional<fs::path> variable(const char* name) {
  const char* value = std::getenv(name);
  if (!value || !*value) return {};
  return fs::path(value);
}

}  // namespace

std::optional<std::string> test_model_path() {
  if (const auto path = variable("LOWKEY_TEST_MODEL")) return existing(*path);
  if (const auto cache = variable("LOWKEY_CACHE")) return existing(*cache / kModelFile);
  if (const auto cache = variable("XDG_CACHE_HOME"))
    return existing(*cache / "lowkey" / kModelFile);
  if (const auto home = variable("HOME")) return existing(*home / ".cache/lowkey" / kModelFile);
  return {};
}

std::optional<std::string> shared_path(const std::string& relative) {
  if (const auto shared = variable("LOWKEY_SHARED")) return existing(*shared / relative);
  return existing(fs::path(source_path("..")) / "shared" / relative);
}

std::string source_path(const std::string& relative) {
  return (fs::path(LOWKEY_SOURCE_DIR) / relative).string();
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "lowkey-test-XXXXXX").string();
  if (mkdtemp(name.data())) root_ = name;
  EXPECT_FALSE(root_.empty()) << "cannot make a temporary folder like " << name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!root_.empty()) fs::remove_all(root_, ignored);
}

std::string TemporaryFolder::path(const std::string& name) const {
  return name.empty() ? root_ : root_ + "/" + name;
}

std::string TemporaryFolder::write(const std::string& name, const std::string& bytes) const {
  std::ofstream out(path(name), std::ios::binary);
  out.write(bytes.data(), std::streamsize(bytes.size()));
  EXPECT_TRUE(out.good()) << "cannot write " << path(name);
  return path(name);
}

}  // namespace lowkey::testing
