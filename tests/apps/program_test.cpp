// The program as scripts see it: exit codes, what stdout holds, options that all commands share.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file_map.h"
#include "models/basis/basis.h"
#include "tests/apps/run_lowkey.h"
#include "tests/support/assets.h"
#include "tests/support/tiny_model.h"

namespace lowkey::apps {
namespace {

using nlohmann::json;

class ProgramTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<lowkey::testing::TemporaryFolder>();
    lowkey::testing::TinySpec spec;
    spec.head_dim = 32;
    model_ = folder_->write("tiny.gguf", lowkey::testing::tiny_gguf(spec));
    text_ = folder_->write("text.txt", std::string(300, 'a') + std::string(300, 'b'));
  }
  static void TearDownTestSuite() { folder_.reset(); }

  /// Every command that reads a model, with what it needs besides.
  static std::vector<Words> commands() {
    return {{"run", "-p", "ab", "-n", "4", "--temp", "0"},
            {"tokenize", "-p", "ab"},
            {"tokenize", "--ids", "97,98"},
            {"inspect"},
            {"perplexity", "-f", text_, "--chunks", "1"},
            {"bench", "-p", "8", "-n", "2", "-r", "1"}};
  }
  static Words common() {
    return {"-m",      model_, "-t",       "1", "-c",    "128",    "--cache", "q8_0",
            "--sinks", "2",    "--window", "4", "--isa", "scalar", "-o",      "json"};
  }

  static inline std::unique_ptr<lowkey::testing::TemporaryFolder> folder_;
  static inline std::string model_, text_;
};

TEST_F(ProgramTest, TheSameOptionsWorkInEveryCommandAndJsonComesOut) {
  for (const Words& command : commands()) {
    const Outcome outcome = lowkey(command + common());
    EXPECT_EQ(outcome.code, 0) << command[0] << ": " << outcome.err;
    EXPECT_TRUE(json::accept(outcome.out)) << command[0] << ": " << outcome.out;
  }
}

TEST_F(ProgramTest, AnAbsentModelIsWrongInput) {
  for (const Words& command : commands()) {
    const Outcome outcome = lowkey(command + Words{"-m", "absent/model.gguf"});
    EXPECT_EQ(outcome.code, 2) << command[0];
    EXPECT_NE(outcome.err.find("absent/model.gguf: expected a model file"), std::string::npos)
        << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST_F(ProgramTest, WrongArgumentsAreTwoAndHelpIsNone) {
  const Words run = {"run", "-m", model_, "-p", "ab"};
  for (const Words& more : std::vector<Words>{{"--absent"},
                                              {"-c", "-1"},
                                              {"-t", "-1"},
                                              {"-o", "yaml"},
                                              {"--cache", "f17"},
                                              {"--sinks", "-1"},
                                              {"--repeat-last-n", "-1"},
                                              {"--temp", "-1"},
                                              {"-f", text_},
                                              {"--exact", "--fast"},
                                              {"--bits", "2"}}) {
    const Outcome outcome = lowkey(run + more);
    EXPECT_EQ(outcome.code, 2) << more[0];
    EXPECT_NE(outcome.err, "") << more[0];
    EXPECT_EQ(outcome.out, "") << more[0];
  }
  EXPECT_EQ(lowkey({}).code, 2);
  EXPECT_EQ(lowkey({"dance"}).code, 2);
  const Outcome help = lowkey({"run", "--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.out.find("--window"), std::string::npos);
}

TEST_F(ProgramTest, AnUnknownKernelSetListsThoseThatRun) {
  for (const Words& command : commands()) {
    if (command[0] == "tokenize" || command[0] == "inspect") continue;  // they compute nothing
    const Outcome outcome = lowkey(command + Words{"-m", model_, "--isa", "abacus"});
    EXPECT_EQ(outcome.code, 2) << command[0];
    EXPECT_NE(outcome.err.find("unknown kernel set 'abacus'"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("auto"), std::string::npos);
    EXPECT_NE(outcome.err.find("scalar"), std::string::npos);
  }
}

TEST_F(ProgramTest, ProductsOfPromptsInBf16RunOnEveryCpu) {
  const Outcome outcome = lowkey(
      {"run", "-m", model_, "--prefill", "bf16", "-p", std::string(80, 'a'), "--raw", "-n", "2"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Outcome refused = lowkey({"run", "-m", model_, "--prefill", "f16", "-p", "a"});
  EXPECT_NE(refused.code, 0);
  EXPECT_NE(refused.err.find("--prefill"), std::string::npos) << refused.err;
}

TEST_F(ProgramTest, RunPrintsOnlyTheTextAndTheSeedGivesIt) {
  const Words run = {"run", "-m", model_, "-t", "1", "-p", "ab", "--raw", "-n", "12"};
  const Outcome first = lowkey(run), again = lowkey(run);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.out, again.out);
  EXPECT_NE(first.err.find("KV cache"), std::string::npos);
  EXPECT_EQ(lowkey(run + Words{"-q"}).err, "");
  const Outcome as_json = lowkey(run + Words{"-o", "json"});
  EXPECT_EQ(json::parse(as_json.out)["ids"].size(), 12u);
  EXPECT_EQ(lowkey(run + Words{"--low-memory"}).out, first.out);
}

TEST_F(ProgramTest, AFullContextIsSaid) {
  const Outcome outcome =
      lowkey({"run", "-m", model_, "-t", "1", "-p", "ab", "--raw", "-c", "6", "--temp", "0"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("the context is full"), std::string::npos) << outcome.err;
}

TEST_F(ProgramTest, PerplexityHasTheFieldsThatScriptsRead) {
  const Outcome outcome = lowkey({"perplexity", "-m", model_, "-f", text_, "-c", "128", "--cache",
                                  "q4_0", "--kld-exact", "-o", "json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json fields = json::parse(outcome.out);
  for (const char* key : {"ppl", "ppl_stderr", "kld_mean", "kld_p99", "same_top",
                          "kv_bytes_per_token", "bits_per_element", "seconds"}) {
    EXPECT_TRUE(fields.contains(key)) << key;
  }
  EXPECT_GT(fields["kld_mean"].get<double>(), 0.0);
  EXPECT_NEAR(fields["bits_per_element"].get<double>(), 4.5, 1e-9);
}

TEST_F(ProgramTest, MultipleChoiceIsMadeOfTheText) {
  std::string letters;
  for (unsigned i = 0, x = 1; i < 600; ++i) {
    x = x * 1664525u + 1013904223u;
    letters += char('a' + (x >> 24) % 8);
  }
  const std::string text = folder_->write("letters.txt", letters);
  const Words ask = {"perplexity", "-m", model_, "-f", text, "-c", "64", "--multiple-choice"};
  const Words tasks = {"--multiple-choice-tasks", "3", "--choice-tokens", "4", "--seed", "7"};
  const Outcome outcome = lowkey(ask + tasks + Words{"-o", "json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json fields = json::parse(outcome.out);
  EXPECT_EQ(fields["n_tasks"], 3);
  EXPECT_EQ(fields["picks"].size(), 3u);
  int right = 0;
  for (size_t i = 0; i < 3; ++i) right += fields["picks"][i] == fields["truths"][i] ? 1 : 0;
  EXPECT_NEAR(fields["accuracy"].get<double>(), right / 3.0, 1e-12);
  EXPECT_EQ(lowkey(ask + tasks + Words{"-o", "json"}).out.substr(0, 40), outcome.out.substr(0, 40));
  EXPECT_NE(lowkey(ask + tasks).out.find("of 3 tasks"), std::string::npos);
  EXPECT_EQ(lowkey(ask + Words{"--kld"}).code, 2);
  EXPECT_EQ(lowkey({"perplexity", "-m", model_, "-f", text_, "--choice-tokens", "4"}).code, 2);
  EXPECT_EQ(lowkey(ask + Words{"--multiple-choice-tasks", "100000"}).code, 2);
}

// The format of another program: 20 bytes and the tokens, then a row per scored position.
TEST_F(ProgramTest, SavedBasesGiveTheLossesBack) {
  const std::string path = folder_->path("base.bin");
  const Outcome outcome = lowkey({"perplexity", "-m", model_, "-f", text_, "-c", "64", "--chunks",
                                  "2", "--save-base", path, "--per-token", "-o", "json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<float> nll = json::parse(outcome.out)["nll"];
  const auto bytes = read_text_file(path);
  ASSERT_TRUE(bytes.ok());
  const auto at = [&]<class T>(size_t offset, T) {
    T value;
    std::memcpy(&value, bytes->data() + offset, sizeof value);
    return value;
  };
  EXPECT_EQ(bytes->substr(0, 8), "_logits_");
  EXPECT_EQ(at(8, int32_t{}), 64);
  EXPECT_EQ(at(12, int32_t{}), 320);
  EXPECT_EQ(at(16, int32_t{}), 2);
  const size_t n_scored = 31, row_bytes = 2 * (320 + 4), head = 20 + 4 * 128;
  ASSERT_EQ(nll.size(), 2 * n_scored);
  ASSERT_EQ(bytes->size(), head + 2 * n_scored * row_bytes);
  for (size_t i = 0; i < nll.size(); ++i) {
    const size_t row = head + i * row_bytes, p = i / n_scored * 64 + 32 + i % n_scored;
    const auto token = size_t(at(20 + 4 * (p + 1), int32_t{}));
    const float log_p =
        at(row, float{}) * float(at(row + 8 + 2 * token, uint16_t{})) + at(row + 4, float{});
    EXPECT_NEAR(-log_p, nll[i], 1e-3) << i;
  }
}

TEST_F(ProgramTest, InspectKnowsBasisFiles) {
  models::BasisFile file;
  file.method = "hadamard";
  file.n_kv_heads = 1;
  file.head_dim = 2;
  models::HeadBasis head;
  head.encoder = head.decoder = {1, 0, 0, 1};
  head.mean = {0, 0};
  head.variances = head.costs = {1, 1};
  head.widths = {5, 0};
  head.steps = {0.5f, 0.5f};
  file.layers.push_back({{1, {head}}, {1, {head}}});
  file.model_hash = file.text_hash = std::string(64, '0');
  const auto bytes = models::serialise_basis(file);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message();
  const std::string path = folder_->write("tiny.lkb", *bytes);
  const Outcome outcome = lowkey({"inspect", "-m", path, "--tensors", "-o", "json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json fields = json::parse(outcome.out);
  EXPECT_EQ(fields["method"], "hadamard");
  EXPECT_EQ(fields["layers"][0]["k"]["bits"], 2.5);
  EXPECT_EQ(fields["layers"][0]["v"]["rank"], 1.0);
  EXPECT_NE(lowkey({"inspect", "-m", path, "--tensors"}).out.find("k 2.500 bits, rank 1.0"),
            std::string::npos);
}

TEST_F(ProgramTest, IdsOutsideTheVocabularyAreRefused) {
  const Outcome outcome = lowkey({"tokenize", "-m", model_, "--ids", "97,99999"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("found 99999"), std::string::npos);
}

TEST_F(ProgramTest, ModelsAreListed) {
  const Outcome text = lowkey({"models", "list"});
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(text.out.rfind("smollm2-135m\t", 0), 0u);
  const json all = json::parse(lowkey({"models", "list", "-o", "json"}).out);
  EXPECT_EQ(all[0]["name"], "smollm2-135m");
  const Outcome unknown = lowkey({"models", "get", "gpt-5"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("smollm2-135m"), std::string::npos);
}

}  // namespace
}  // namespace lowkey::apps
