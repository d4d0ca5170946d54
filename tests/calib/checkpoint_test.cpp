// Stopped calibrations of a tiny model go on where they were and end in the same file.
#include "calib/checkpoint.h"

#include <gtest/gtest.h>

#include <bit>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/file_map.h"
#include "calib/calibrate.h"
#include "tests/support/assets.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::calib {
namespace {

using nlohmann::json;
using testing::TemporaryFolder;

constexpr int kChunk = 48;

std::unique_ptr<engine::Engine> engine_of(int n_threads) {
  engine::EngineOptions options;
  options.n_threads = n_threads;
  return testing::tiny_engine({}, options);
}

CalibrateOptions options_of(const engine::Engine& engine, const char* method) {
  CalibrateOptions o;
  o.method = method;
  o.n_chunk = kChunk;
  o.n_positions = 256;
  o.n_sinks = 2;
  o.window = 4;
  o.bits = 2.5;
  o.n_threads = engine.n_threads();
  o.surfaces = true;
  o.correct = true;
  o.held_back = testing::random_tokens(2 * kChunk, engine.config().n_vocab, 9);
  return o;
}

std::vector<int32_t> tokens_of(const engine::Engine& engine) {
  return testing::random_tokens(6 * kChunk, engine.config().n_vocab, 5);
}

Checkpoint open(const std::string& folder, const json& run, bool resume) {
  auto checkpoint = Checkpoint::open(folder, run, resume);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.error().message();
  return checkpoint.ok() ? std::move(checkpoint).value() : Checkpoint();
}

/// One run, stopped by its `last`-th report of progress; counts reports per stage.
Result<CalibrateResult> run(const engine::Engine& engine, CalibrateOptions o, int last,
                            std::map<std::string, int>& reports) {
  int n = 0;
  o.progress = [&](const char* stage, int64_t, int64_t) {
    ++reports[stage];
    return ++n < last;
  };
  return calibrate(engine, tokens_of(engine), o);
}

class ResumeTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ResumeTest, AfterEveryStopTheFileIsThatOfAnUninterruptedRun) {
  const auto engine = engine_of(1);
  const CalibrateOptions options = options_of(*engine, GetParam());
  std::map<std::string, int> all;
  const auto whole = run(*engine, options, 1 << 30, all);
  ASSERT_TRUE(whole.ok()) << whole.error().message();
  const std::string expected = models::serialise_basis(whole->file).value();
  int total = 0;
  for (const auto& [stage, n] : all) total += n;
  const TemporaryFolder folder;
  // Enough to stop within every stage; reports of learning are many and alike.
  for (int last = 1; last <= total; last += total > 60 ? 7 : 2) {
    CalibrateOptions o = options;
    const json description = run_description(*engine, o);
    o.checkpoint = open(folder.path("x.partial"), description, false);
    std::map<std::string, int> before, after;
    ASSERT_FALSE(run(*engine, o, last, before).ok()) << last;
    o.checkpoint = open(folder.path("x.partial"), description, true);
    const auto result = run(*engine, o, 1 << 30, after);
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(models::serialise_basis(result->file).value(), expected) << last;
    EXPECT_EQ(result->learned_loss, whole->learned_loss);
    EXPECT_EQ(result->correction.kept, whole->correction.kept);
    for (const char* stage : {"sensitivity", "error surfaces", "interactions",
                              "checking predictions", "checking corrections"}) {
      EXPECT_EQ(before[stage] + after[stage], all[stage]) << stage << " after " << last;
    }
    o.checkpoint.remove();
    EXPECT_FALSE(std::filesystem::exists(folder.path("x.partial")));
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, ResumeTest, ::testing::Values("fisher", "learned"));

TEST(ResumeManyTimesTest, StopsThatFollowEachOtherLoseNothing) {
  const auto engine = engine_of(2);
  CalibrateOptions o = options_of(*engine, "fisher");
  std::map<std::string, int> reports;
  const auto whole = run(*engine, o, 1 << 30, reports);
  ASSERT_TRUE(whole.ok()) << whole.error().message();
  const TemporaryFolder folder;
  const json description = run_description(*engine, o);
  int n_runs = 0;
  for (bool resume = false;; resume = true) {
    o.checkpoint = open(folder.path("x.partial"), description, resume);
    const auto result = run(*engine, o, 5, reports);
    ASSERT_LT(++n_runs, 100);
    if (!result.ok()) continue;
    EXPECT_EQ(models::serialise_basis(result->file).value(),
              models::serialise_basis(whole->file).value());
    break;
  }
  EXPECT_GT(n_runs, 4);
}

TEST(CheckpointTest, GivesBackEveryNumberBitForBit) {
  const TemporaryFolder folder;
  const std::string path = folder.path("a/b.partial");
  const std::vector<double> numbers = {0.1, -0.0, 5e-324, 1e300, std::nan("")};
  ASSERT_TRUE(open(path, {{"bits", 2}}, false).write("piece", numbers).ok());
  const auto read = open(path, {{"bits", 2}}, true).read("piece");
  ASSERT_TRUE(read.ok()) << read.error().message();
  ASSERT_EQ(read->size(), numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint64_t>((*read)[i]), std::bit_cast<uint64_t>(numbers[i]));
  }
  EXPECT_TRUE(open(path, {{"bits", 2}}, true).read("other")->empty());
  EXPECT_TRUE(open(path, {{"bits", 2}}, false).read("piece")->empty()) << "begun anew";
  EXPECT_TRUE(Checkpoint().write("piece", numbers).ok());
  EXPECT_TRUE(Checkpoint().read("piece")->empty());
}

TEST(CheckpointTest, AnotherRunIsRefusedWithWhatDiffersAndNothingIsLost) {
  const TemporaryFolder folder;
  const std::string path = folder.path("x.partial");
  const std::vector<double> numbers = {1, 2};
  ASSERT_TRUE(open(path, {{"bits", 2.5}, {"method", "eigen"}}, false).write("p", numbers).ok());
  const auto other = Checkpoint::open(path, {{"bits", 3.0}, {"seed", 1}}, true);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ErrorCode::kInvalidArgument);
  for (const char* part : {"bits: 2.5 instead of 3.0", "method: \"eigen\" instead of nothing",
                           "seed: nothing instead of 1", "without --resume"}) {
    EXPECT_NE(other.error().message().find(part), std::string::npos) << other.error().message();
  }
  EXPECT_EQ(open(path, {{"bits", 2.5}, {"method", "eigen"}}, true).read("p").value(), numbers);
}

TEST(CheckpointTest, AnyFlippedByteOfAPieceAndAnyCutIsFound) {
  const TemporaryFolder folder;
  const std::string path = folder.path("x.partial"), piece = path + "/p.safetensors";
  const Checkpoint checkpoint = open(path, {{"bits", 2}}, false);
  ASSERT_TRUE(checkpoint.write("p", std::vector<double>{1, 2, 3}).ok());
  const std::string whole = *read_text_file(piece);
  const auto found = [&](const std::string& bytes) {
    EXPECT_TRUE(write_file_atomically(piece, bytes).ok());
    const auto read = checkpoint.read("p");
    // A blank of the header may turn into another: the numbers are the same.
    return !read.ok() || *read == std::vector<double>{1, 2, 3};
  };
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string bytes = whole;
    bytes[i] ^= 0x20;
    EXPECT_TRUE(found(bytes)) << i;
  }
  for (size_t n = 0; n < whole.size(); n += 5) {
    ASSERT_TRUE(write_file_atomically(piece, whole.substr(0, n)).ok());
    const auto read = checkpoint.read("p");
    ASSERT_FALSE(read.ok()) << n;
    EXPECT_EQ(read.error().code, ErrorCode::kInvalidData);
    EXPECT_NE(read.error().message().find("damaged"), std::string::npos);
  }
  ASSERT_TRUE(write_file_atomically(path + "/run.json", "{\"bits\": 2").ok());
  const auto damaged = Checkpoint::open(path, {{"bits", 2}}, true);
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, ErrorCode::kInvalidData);
  EXPECT_TRUE(std::filesystem::exists(piece));
}

TEST(CheckpointTest, FilesOfOthersInTheFolderStay) {
  const TemporaryFolder folder;
  const std::string path = folder.path("x.partial");
  std::filesystem::create_directories(path);
  ASSERT_TRUE(write_file_atomically(path + "/mine.txt", "mine").ok());
  const Checkpoint checkpoint = open(path, {{"bits", 2}}, false);
  ASSERT_TRUE(checkpoint.write("p", std::vector<double>{1}).ok());
  checkpoint.remove();
  EXPECT_TRUE(std::filesystem::exists(path + "/mine.txt"));
  EXPECT_FALSE(std::filesystem::exists(path + "/p.safetensors"));
}

}  // namespace
}  // namespace lowkey::calib
