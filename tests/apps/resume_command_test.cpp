// `lowkey calibrate --resume` as users meet it, on a tiny model.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file_map.h"
#include "tests/apps/run_lowkey.h"
#include "tests/support/assets.h"
#include "tests/support/tiny_model.h"

namespace lowkey::apps {
namespace {

namespace fs = std::filesystem;

class ResumeCommandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    model_ = folder_.write("tiny.gguf", lowkey::testing::tiny_gguf({}));
    std::string text;
    for (int i = 0; i < 900; ++i) text += char('a' + i * i % 23);
    text_ = folder_.write("text.txt", text);
    out_ = folder_.path("tiny.lkb");
    partial_ = out_ + ".partial";
  }

  Words calibrate(const std::string& out) const {
    return {"calibrate", "-m",       model_, "-t", "1",  "--chunk",
            "64",        "--tokens", "256",  "-q", "-o", out};
  }
  /// Everything is done, and then the file cannot be written: a folder is in its place.
  void leave_checkpoint(const Words& more) const {
    fs::create_directory(out_);
    EXPECT_NE(lowkey(calibrate(out_) + more).code, 0);
    fs::remove(out_);
    ASSERT_TRUE(fs::exists(partial_));
  }
  std::string whole(const Words& more) const {
    const std::string path = folder_.path("whole.lkb");
    EXPECT_EQ(lowkey(calibrate(path) + more).code, 0);
    EXPECT_FALSE(fs::exists(path + ".partial"));
    return *read_text_file(path);
  }

  lowkey::testing::TemporaryFolder folder_;
  std::string model_, text_, out_, partial_;
};

TEST_F(ResumeCommandTest, TheSameCommandGoesOnAndTheCheckpointGoes) {
  for (const Words& more : std::vector<Words>{{"--text", text_}, {"--seed", "3"}}) {
    leave_checkpoint(more);
    const Outcome resumed = lowkey(calibrate(out_) + more + Words{"--resume"});
    EXPECT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(*read_text_file(out_), whole(more));
    EXPECT_FALSE(fs::exists(partial_));
    fs::remove(out_);
  }
}

TEST_F(ResumeCommandTest, OtherOptionsAreRefusedAndTheCheckpointStays) {
  leave_checkpoint({"--text", text_});
  const Words other = {"--text", text_, "--bits", "3", "--sinks", "2", "--resume"};
  const Outcome refused = lowkey(calibrate(out_) + other);
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("bits: 2.5 instead of 3.0, sinks: 4 instead of 2"), std::string::npos)
      << refused.err;
  EXPECT_FALSE(fs::exists(out_));
  EXPECT_TRUE(fs::exists(partial_));
  const Outcome own_samples = lowkey(calibrate(out_) + Words{"--resume"});
  EXPECT_EQ(own_samples.code, 2);
  EXPECT_NE(own_samples.err.find("text: "), std::string::npos) << own_samples.err;
  EXPECT_EQ(lowkey(calibrate(out_) + Words{"--text", text_, "--resume"}).code, 0);
}

TEST_F(ResumeCommandTest, WithoutResumeACheckpointIsSaidAndReplaced) {
  leave_checkpoint({"--text", text_});
  const Outcome anew = lowkey(calibrate(out_) + Words{"--text", text_, "--bits", "3"});
  EXPECT_EQ(anew.code, 0) << anew.err;
  EXPECT_NE(anew.err.find(partial_ + ": checkpoint of a stopped run, replaced"), std::string::npos)
      << anew.err;
  EXPECT_FALSE(fs::exists(partial_));
  const Outcome nothing = lowkey(calibrate(out_) + Words{"--text", text_, "--resume"});
  EXPECT_EQ(nothing.code, 0);
  EXPECT_NE(nothing.err.find("no checkpoint, starting anew"), std::string::npos) << nothing.err;
}

TEST_F(ResumeCommandTest, ADamagedCheckpointIsAnErrorThatLosesNothing) {
  leave_checkpoint({"--text", text_});
  const std::string piece = partial_ + "/sensitivity.safetensors";
  std::string bytes = *read_text_file(piece);
  bytes.back() ^= 1;
  ASSERT_TRUE(write_file_atomically(piece, bytes).ok());
  const Outcome damaged = lowkey(calibrate(out_) + Words{"--text", text_, "--resume"});
  EXPECT_EQ(damaged.code, 2);
  EXPECT_NE(damaged.err.find(piece), std::string::npos) << damaged.err;
  EXPECT_NE(damaged.err.find("damaged"), std::string::npos) << damaged.err;
  EXPECT_EQ(*read_text_file(piece), bytes);
  EXPECT_EQ(lowkey(calibrate(out_) + Words{"--sweep", "--resume"}).code, 2);
}

}  // namespace
}  // namespace lowkey::apps
