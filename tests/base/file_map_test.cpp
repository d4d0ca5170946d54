#include "base/file_map.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace lowkey {
namespace {

namespace fs = std::filesystem;

class FileMapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("lowkey_file_map_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const char* name) const { return (folder_ / name).string(); }
  fs::path folder_;
};

TEST_F(FileMapTest, MapsWhatWasWritten) {
  const std::string text(70000, 'x');
  ASSERT_TRUE(write_file_atomically(path("a"), text).ok());
  const auto map = FileMap::open(path("a"));
  ASSERT_TRUE(map.ok()) << map.error().message();
  EXPECT_EQ(map->bytes().size(), text.size());
  EXPECT_EQ(map->path(), path("a"));
  EXPECT_EQ(*read_text_file(path("a")), text);
}

TEST_F(FileMapTest, ReleasedPagesReadTheSameAgain) {
  ASSERT_TRUE(write_file_atomically(path("a"), std::string(20000, 'y')).ok());
  const auto map = FileMap::open(path("a"));
  ASSERT_TRUE(map.ok());
  map->release(map->bytes());
  map->release(map->bytes().subspan(1, 2));
  for (const std::byte b : map->bytes()) ASSERT_EQ(b, std::byte{'y'});
}

TEST_F(FileMapTest, AnEmptyFileIsAnEmptyMap) {
  ASSERT_TRUE(write_file_atomically(path("empty"), "").ok());
  const auto map = FileMap::open(path("empty"));
  ASSERT_TRUE(map.ok()) << map.error().message();
  EXPECT_TRUE(map->bytes().empty());
}

TEST_F(FileMapTest, AMissingFileIsNotFound) {
  const auto map = FileMap::open(path("absent"));
  ASSERT_FALSE(map.ok());
  EXPECT_EQ(map.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(map.error().where, path("absent"));
}

TEST_F(FileMapTest, AFolderIsAnInvalidArgument) {
  const auto map = FileMap::open(folder_.string());
  ASSERT_FALSE(map.ok());
  EXPECT_EQ(map.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(FileMapTest, TextBeyondTheLimitIsRefused) {
  ASSERT_TRUE(write_file_atomically(path("a"), "12345").ok());
  EXPECT_TRUE(read_text_file(path("a"), 5).ok());
  const auto refused = read_text_file(path("a"), 4);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().what, "expected at most 4 bytes, found 5");
}

TEST_F(FileMapTest, AtomicWriteReplacesAndLeavesNothingBehind) {
  ASSERT_TRUE(write_file_atomically(path("a"), "old and long").ok());
  const auto old = FileMap::open(path("a"));
  ASSERT_TRUE(write_file_atomically(path("a"), "new").ok());
  EXPECT_EQ(*read_text_file(path("a")), "new");
  EXPECT_EQ(old->bytes().size(), 12u) << "readers of the old file keep it";
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(FileMapTest, AtomicWriteThatCannotFinishLeavesNothingBehind) {
  EXPECT_FALSE(write_file_atomically(path("no/such/folder"), "x").ok());
  fs::create_directories(folder_ / "taken" / "inside");
  EXPECT_FALSE(write_file_atomically(path("taken"), "x").ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace lowkey
