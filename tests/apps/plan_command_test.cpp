// Policies, budgets, `plan` and `--sweep` as scripts use them, on a tiny model.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "base/file_map.h"
#include "models/basis/basis.h"
#include "tests/apps/run_lowkey.h"
#include "tests/support/assets.h"
#include "tests/support/tiny_model.h"

namespace lowkey::apps {
namespace {

using nlohmann::json;

class PlanCommandTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<lowkey::testing::TemporaryFolder>();
    lowkey::testing::TinySpec spec;
    spec.head_dim = 32;
    model_ = folder_->write("tiny.gguf", lowkey::testing::tiny_gguf(spec));
    text_ = folder_->write("text.txt", random_letters(2000, 3));
    basis_ = folder_->path("tiny.lkb");
    const Outcome made = lowkey(calibrate() + Words{"--bits", "3", "-o", basis_});
    ASSERT_EQ(made.code, 0) << made.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::string random_letters(int n, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::string text;
    for (int i = 0; i < n; ++i) text += char('a' + random() % 26);
    return text;
  }
  static Words calibrate() {
    return {"calibrate", "-m", model_, "--text", text_, "-t",       "1",
            "--chunk",   "64", "-c",   "256",    "-q",  "--tokens", "512"};
  }
  /// Elements per token of the tiny model: 2 sides, 2 layers, 2 heads of 32.
  static constexpr double kElements = 256;

  static json plan(const Words& more) {
    const Outcome outcome = lowkey(Words{"plan", "-b", basis_, "-o", "json"} + more);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out, nullptr, false);
  }

  static inline std::unique_ptr<lowkey::testing::TemporaryFolder> folder_;
  static inline std::string model_, text_, basis_;
};

TEST_F(PlanCommandTest, PlanPrintsTheFrontAndWhatTheBudgetBuys) {
  const json own = plan({});
  EXPECT_NEAR(own["bits_per_element"].get<double>(), 3, 0.1);
  EXPECT_GT(own["front"].size(), 10u);
  EXPECT_EQ(own["layers"].size(), 2u);
  EXPECT_EQ(own["measured_kld"].size(), 3u);
  const json less = plan({"--budget", "2b"});
  EXPECT_LE(less["bits_per_element"].get<double>(), 2);
  EXPECT_GT(less["predicted_kld"].get<double>(), own["predicted_kld"].get<double>());
  EXPECT_EQ(plan({"--budget", "64B/token"}), less);  // 256 numbers of 2 bits
  EXPECT_EQ(plan({"--bits", "2"}), less);
  const json uniform = plan({"--budget", "2b", "--policy", "uniform"});
  EXPECT_EQ(uniform["policy"], "uniform");
  EXPECT_GE(uniform["predicted_kld"].get<double>(), less["predicted_kld"].get<double>());
  const Outcome text = lowkey({"plan", "-b", basis_});
  EXPECT_NE(text.out.find("predicted KLD"), std::string::npos) << text.err;
  const Outcome svg = lowkey({"plan", "-b", basis_, "-o", "svg"});
  EXPECT_EQ(svg.out.rfind("<svg", 0), 0u);
}

TEST_F(PlanCommandTest, MaxKldBuysWhatItsPredictionNeeds) {
  const double bound = plan({"--budget", "2.5b"})["predicted_kld"].get<double>();
  const json inverted = plan({"--max-kld", std::to_string(1.0001 * bound)});
  EXPECT_LE(inverted["predicted_kld"].get<double>(), 1.0001 * bound);
  EXPECT_LE(inverted["bits_per_element"].get<double>(), 2.5);
  EXPECT_GT(inverted["bits_per_element"].get<double>(), 2.2);
}

TEST_F(PlanCommandTest, APlanThatIsWrittenIsWhatBudgetsGiveElsewhere) {
  const std::string path = folder_->path("smaller.lkb");
  plan({"--budget", "2b", "--policy", "v1", "--write", path});
  const auto file = models::read_basis(path);
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->policy, "v1");
  const Words perplexity = {"perplexity", "-m", model_, "-f", text_, "--chunks", "1",
                            "-c",         "64", "-t",   "1",  "-o",  "json"};
  const Outcome written = lowkey(perplexity + Words{"-b", path});
  const Outcome asked = lowkey(perplexity + Words{"-b", path, "--budget", "2b"});
  ASSERT_EQ(written.code, 0) << written.err;
  ASSERT_EQ(asked.code, 0) << asked.err;
  EXPECT_EQ(json::parse(written.out)["ppl"], json::parse(asked.out)["ppl"]);
  const json inspected =
      json::parse(lowkey({"inspect", "-m", path, "--tensors", "-o", "json"}).out);
  EXPECT_EQ(inspected["policy"], "v1");
  EXPECT_EQ(inspected["layers"][1]["output_error"].size(), 49u);
}

TEST_F(PlanCommandTest, WrongBudgetsAndPoliciesAreRefusedBeforeAnyWork) {
  for (const Words& more : std::vector<Words>{{"--budget", "2"},
                                              {"--budget", "2b", "--bits", "3"},
                                              {"--budget", "1kB@32k"},
                                              {"--policy", "v3"},
                                              {"--max-kld", "-1"},
                                              {"--max-kld", "1e-30"}}) {
    const Outcome planned = lowkey(Words{"plan", "-b", basis_} + more);
    EXPECT_EQ(planned.code, 2) << more[1];
    EXPECT_EQ(planned.out, "") << more[1];
    EXPECT_NE(planned.err, "") << more[1];
  }
  const Outcome calibrated =
      lowkey(calibrate() + Words{"--policy", "best", "-o", folder_->path("none.lkb")});
  EXPECT_EQ(calibrated.code, 2);
  EXPECT_NE(calibrated.err.find("uniform, v1, v2 or global, found 'best'"), std::string::npos);
  EXPECT_EQ(lowkey({"plan", "-b", "absent.lkb"}).code, 2);
  EXPECT_NE(lowkey({"plan", "-b", "auto"}).err.find("-m"), std::string::npos);
}

TEST_F(PlanCommandTest, TheReportHasSurfacesAndMeasurements) {
  const auto html = read_text_file(basis_ + ".html");
  ASSERT_TRUE(html.ok());
  EXPECT_NE(html->find("Layer 1"), std::string::npos);
  EXPECT_NE(html->find("measured"), std::string::npos);
  const json report = json::parse(*read_text_file(basis_ + ".json"));
  EXPECT_EQ(report["measured_kld"].size(), 3u);
  EXPECT_GT(report["predicted_kld"].get<double>(), 0);
}

TEST_F(PlanCommandTest, SweepsMeasureMethodsAndControls) {
  const Words sweep = calibrate() + Words{"--sweep",    "--methods",  "fisher,eigen",
                                          "--policies", "global,v1",  "--sweep-bits",
                                          "2,3",        "--controls", "f16,q4_0h",
                                          "--chunks",   "2"};
  const Outcome as_json = lowkey(sweep + Words{"-o", "json"});
  ASSERT_EQ(as_json.code, 0) << as_json.err;
  const json rows = json::parse(as_json.out);
  ASSERT_EQ(rows.size(), 2u + 2 * 2 * 2);
  EXPECT_EQ(rows[0]["name"], "f16");
  EXPECT_FALSE(rows[0].contains("policy"));
  for (size_t i = 2; i < rows.size(); i += 2) {
    EXPECT_GT(rows[i]["kld_mean"].get<double>(), rows[i + 1]["kld_mean"].get<double>());
    EXPECT_GT(rows[i]["predicted_kld"].get<double>(), 0);
  }
  const Outcome as_csv = lowkey(sweep + Words{"-o", "csv"});
  EXPECT_EQ(std::ranges::count(as_csv.out, '\n'), 1 + 10);
  EXPECT_EQ(as_csv.out.rfind("name,policy,", 0), 0u);
  const std::string svg = folder_->path("front.svg"), csv = folder_->path("front.csv");
  const Outcome as_svg = lowkey(sweep + Words{"-o", "svg", "--svg", svg, "--csv", csv});
  EXPECT_EQ(*read_text_file(svg), as_svg.out);
  EXPECT_EQ(*read_text_file(csv), as_csv.out);
  EXPECT_NE(lowkey(calibrate() + Words{"--svg", svg}).code, 0);
  EXPECT_NE(as_svg.out.find("eigen, v1"), std::string::npos);
  const Outcome wrong = lowkey(sweep + Words{"-o", "front.lkb"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.err.find("json, csv or svg with --sweep, found 'front.lkb'"), std::string::npos);
}

TEST_F(PlanCommandTest, SweepsTakeBasisFilesAndSeveralTexts) {
  const std::string other = folder_->write("other.txt", random_letters(1000, 4));
  const Words sweep = {"calibrate",
                       "-m",
                       model_,
                       "--sweep",
                       "--bases",
                       basis_,
                       "-f",
                       text_,
                       other,
                       "-q",
                       "--policies",
                       "v1,global",
                       "--chunks",
                       "2",
                       "--judge-context",
                       "96",
                       "--controls",
                       "q4_0h",
                       "--sweep-bits",
                       "2",
                       "-t",
                       "1"};
  const Outcome outcome = lowkey(sweep + Words{"-o", "json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json rows = json::parse(outcome.out);
  ASSERT_EQ(rows.size(), 2u * 3);
  const std::string first = std::filesystem::path(text_).filename();
  EXPECT_EQ(rows[2]["text"], first);
  EXPECT_EQ(rows[4]["text"], "other.txt");
  EXPECT_EQ(rows[2]["name"], std::filesystem::path(basis_).stem().string());
  EXPECT_EQ(rows[3]["policy"], "global");
  EXPECT_NE(rows[2]["ppl"], rows[4]["ppl"]);
  // The same as `perplexity` says of the same file, budget and text.
  const Outcome alone =
      lowkey({"perplexity", "-m", model_, "-f", other, "-b", basis_, "--bits", "2", "--chunks", "2",
              "-c", "96", "--kld", "-t", "1", "-o", "json"});
  ASSERT_EQ(alone.code, 0) << alone.err;
  EXPECT_NEAR(json::parse(alone.out)["kld_mean"].get<double>(), rows[5]["kld_mean"].get<double>(),
              1e-9);
  const Outcome nothing = lowkey({"calibrate", "-m", model_, "--sweep", "--bases", basis_});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_NE(nothing.err.find("expected a --text"), std::string::npos) << nothing.err;
}

}  // namespace
}  // namespace lowkey::apps
