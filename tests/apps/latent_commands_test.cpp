// Commands around a basis file: calibrate makes one, run offers it, compare sets it beside others.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/apps/run_lowkey.h"
#include "tests/support/assets.h"
#include "tests/support/tiny_model.h"

namespace lowkey::apps {
namespace {

using nlohmann::json;

class LatentCommands : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<lowkey::testing::TemporaryFolder>();
    setenv("LOWKEY_CACHE", folder_->path("cache").c_str(), 1);
    lowkey::testing::TinySpec spec;
    spec.head_dim = 32;
    spec.n_context = 2048;
    model_ = folder_->write("tiny.gguf", lowkey::testing::tiny_gguf(spec));
    std::string text;
    for (int i = 0; i < 2200; ++i) text += char('a' + i * i % 23);
    text_ = folder_->write("text.txt", text);
  }
  static void TearDownTestSuite() {
    unsetenv("LOWKEY_CACHE");
    folder_.reset();
  }

  static Words calibrate() {
    return {"calibrate", "-m", model_, "-t", "1", "--text", text_, "--tokens", "1024"};
  }
  static Words compare() {
    return {"compare", "-m", model_, "-t", "1", "-f", text_, "-d", "4", "-n", "2", "-q"};
  }
  static json compared(const Words& more) {
    return parsed(compare() + Words{"-c", "128", "-o", "json"} + more);
  }
  static Words run() { return {"run", "-m", model_, "-t", "1", "-p", "ab", "--raw", "-n", "2"}; }

  static json parsed(const Words& words) {
    const Outcome outcome = lowkey(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out, nullptr, false);
  }
  static const json& row(const json& rows, const std::string& name) {
    for (const json& r : rows) {
      if (r["cache"] == name) return r;
    }
    ADD_FAILURE() << name << " is not in " << rows.dump();
    return rows;
  }

  static inline std::unique_ptr<lowkey::testing::TemporaryFolder> folder_;
  static inline std::string model_, text_;
};

// One test: what is offered depends on what the steps before have left in the cache folder.
TEST_F(LatentCommands, RunOffersTheBasisOrSaysHowToMakeIt) {
  std::filesystem::remove_all(folder_->path("cache"));
  const Outcome without = lowkey(run());
  EXPECT_EQ(without.code, 0) << without.err;
  // 2 sides, 2 layers, 2 heads of 32 in f16
  EXPECT_NE(without.err.find("512 KV bytes per token; `lowkey calibrate -m " + model_ + "`"),
            std::string::npos)
      << without.err;
  EXPECT_EQ(without.err.find("-b auto would"), std::string::npos);

  const json made = parsed(calibrate() + Words{"--bits", "2.5", "--output", "json", "-q"});
  const Outcome with = lowkey(run());
  const std::string offer = "-b auto would keep 80 instead of 512 KV bytes per token: ";
  EXPECT_NE(with.err.find(offer + made["path"].get<std::string>() + "\n"), std::string::npos)
      << with.err;
  EXPECT_EQ(with.out, without.out);
  for (const Words& chosen : std::vector<Words>{{"-q"}, {"--cache", "f16"}, {"-b", "auto"}}) {
    const Outcome outcome = lowkey(run() + chosen);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err.find("-b auto"), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find("lowkey calibrate"), std::string::npos) << outcome.err;
  }
  EXPECT_NE(lowkey(run() + Words{"-b", "auto"}).err.find("80 B/token, latent"), std::string::npos);
}

TEST_F(LatentCommands, TheCommonOptionsWorkInAllOfThem) {
  const Words common = {"-c",         "128",  "--cache",     "q8_0",   "--sinks",   "2",
                        "--window",   "4",    "--isa",       "scalar", "--exact",   "--low-memory",
                        "--outliers", "0.01", "--kv-budget", "1MiB",   "--prefill", "integer"};
  const std::string basis = folder_->path("common.lkb");
  const json made =
      parsed(calibrate() + common + Words{"-o", basis, "-b", "auto", "--output", "json"});
  EXPECT_EQ(made["path"], basis);
  const json rows = parsed(compare() + common + Words{"-b", basis, "--bits", "2", "-o", "json"});
  EXPECT_EQ(rows.size(), 6u);
  EXPECT_TRUE(parsed({"bench", "--outliers", "0.1", "--kv-budget", "1MiB", "-m", model_, "-t", "1",
                      "-p", "8", "-n", "2", "-r", "1", "--no-model", "-o", "json", "--low-memory"})
                  .is_array());
  EXPECT_EQ(lowkey(calibrate() + Words{"--exact", "--fast"}).code, 2);
  EXPECT_EQ(lowkey(compare() + Words{"-t", "-1"}).code, 2);
}

TEST_F(LatentCommands, AdaptationIsAskedForByFlagsAndRefusedWhereItCannotBe) {
  const std::string basis = folder_->path("adapt.lkb");
  std::mt19937_64 random(7);
  std::string rich;  // adaptation starts from variances, of which none may be 0
  for (int i = 0; i < 4000; ++i) rich += char('a' + random() % 26);
  const std::string rich_text = folder_->write("rich.txt", rich);
  ASSERT_EQ(lowkey({"calibrate", "-m", model_, "-t", "1", "--text", rich_text, "--tokens", "2048",
                    "-o", basis, "-q"})
                .code,
            0);
  const Words perplexity = {"perplexity", "-m", model_, "-f",    text_, "-t",       "1", "-c",
                            "1024",       "-o", "json", "--kld", "-q",  "--chunks", "2"};
  const auto judged = [&](const Words& more) {
    return parsed(perplexity + Words{"-b", basis, "--bits", "1"} + more);
  };
  const json fixed = judged({}), follows = judged({"--adapt", "--adapt-every", "128"});
  EXPECT_NE(fixed["kld_mean"], follows["kld_mean"]);
  EXPECT_NE(judged({"--adapt-moments", "--adapt-every", "128"})["kld_mean"], fixed["kld_mean"]);
  // Nothing follows before the first version begins.
  EXPECT_EQ(judged({"--adapt", "--adapt-every", "1024"})["kld_mean"], fixed["kld_mean"]);
  EXPECT_EQ(judged({"--adapt", "--adapt-every", "128", "--adapt-versions", "1"})["ppl"].is_number(),
            true);
  for (const auto& [words, error] : std::vector<std::pair<Words, std::string>>{
           {{"--adapt"}, "a latent cache"},
           {{"-b", basis, "--adapt", "--adapt-every", "100"},
            "a multiple of 128 tokens, found 100"},
           {{"-b", basis, "--adapt", "--adapt-rate", "2"}, "more than 0, up to 1"},
           {{"-b", basis, "--adapt", "--adapt-versions", "0"}, "1 or more"},
           {{"-b", basis, "--adapt", "--adapt-moments"}, "excludes"}}) {
    const Outcome outcome = lowkey(perplexity + words);
    EXPECT_EQ(outcome.code, 2) << error;
    EXPECT_EQ(outcome.out, "") << error;
    EXPECT_NE(outcome.err.find(error), std::string::npos) << outcome.err;
  }
}

TEST_F(LatentCommands, ExactTokensReachCalibrationAndComparison) {
  const auto expected = [&](const char* sinks) {
    const std::string path = folder_->path(std::string("sinks") + sinks);
    const json made = parsed(calibrate() + Words{"--sinks", sinks, "-o", path, "--output", "json"});
    return made["expected_kld"].get<double>();
  };
  EXPECT_NE(expected("0"), expected("64"));
  const auto total = [&](const char* window) {
    const json rows = compared({"-b", folder_->path("sinks0"), "--bits", "2", "--window", window});
    return row(rows, "q4_0h + exact")["kv_bytes_total"].get<int64_t>();
  };
  EXPECT_EQ(total("40") - total("8"), 32 * 512);
}

TEST_F(LatentCommands, ControlsOfTheSameSizeStandBesideLatents) {
  const std::string basis = folder_->path("controls.lkb");
  ASSERT_EQ(lowkey(calibrate() + Words{"-o", basis}).code, 0);
  const Words budgets = {"-b", basis, "--bits", "3,2.5,2"};
  EXPECT_EQ(compared(budgets).size(), 8u);
  const json rows = compared(budgets + Words{"--controls"});
  ASSERT_EQ(rows.size(), 10u) << "2 bits have no control of their own: that of 2.5 serves both";
  const json& three = row(rows, "hadamard-k3v2 + exact");
  EXPECT_EQ(three["bits_per_element"], 3.0);
  EXPECT_FALSE(three.contains("decode")) << "a simulation's speed says nothing";
  EXPECT_GT(three["kld_mean"], row(rows, "q4_0h + exact")["kld_mean"]);
  EXPECT_EQ(row(rows, "hadamard-k2v2 + exact")["bits_per_element"], 2.5);
  EXPECT_NE(
      lowkey(compare() + budgets + Words{"-c", "128", "--controls"}).out.find("hadamard-k3v2"),
      std::string::npos);
}

TEST_F(LatentCommands, BenchTakesPromptAndTextTogether) {
  const Words bench = {"bench", "-m", model_, "-t",         "1",  "-r",  "1",   "-p",
                       "0",     "-n", "0",    "--no-model", "-q", "-pg", "24,3"};
  const json rows = parsed(bench + Words{"-pg", "8,2", "-d", "5", "-o", "json"});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["n_prompt"], 24);
  EXPECT_EQ(rows[0]["n_gen"], 3);
  EXPECT_EQ(rows[1]["n_prompt"], 8);
  EXPECT_EQ(rows[0]["kv_bytes_total"], (5 + 24 + 3) * 512);
  EXPECT_NE(lowkey(bench).out.find("pp24+tg3"), std::string::npos);
  for (const char* bad : {"8", "8,0", "8,2,1", "a,b"}) {
    EXPECT_EQ(lowkey(bench + Words{"-pg", bad}).code, 2) << bad;
  }
  EXPECT_EQ(lowkey(bench + Words{"-c", "26"}).code, 2) << "no room for 27";
}

}  // namespace
}  // namespace lowkey::apps
