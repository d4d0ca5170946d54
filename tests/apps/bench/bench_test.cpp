// What `lowkey bench` reads and writes: lists of numbers, sizes, rows in every format.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "apps/bench/number_list.h"
#include "apps/bench/plots.h"
#include "apps/bench/rows.h"
#include "apps/bench/shapes.h"
#include "tests/support/assets.h"

namespace lowkey::apps {
namespace {

using Numbers = std::vector<int64_t>;

TEST(NumberList, ReadsListsAndRanges) {
  const std::pair<const char*, Numbers> good[] = {
      {"512", {512}},        {"0,2048,8192", {0, 2048, 8192}}, {"1-16*2", {1, 2, 4, 8, 16}},
      {"1-10*3", {1, 3, 9}}, {"0-30+10", {0, 10, 20, 30}},     {"3-5", {3, 4, 5}},
      {"7-7", {7}},          {"0,4-8+4,100", {0, 4, 8, 100}}};
  for (const auto& [text, expected] : good) {
    const auto numbers = parse_numbers("-p", text);
    ASSERT_TRUE(numbers.ok()) << numbers.error().message();
    EXPECT_EQ(*numbers, expected) << text;
  }
}

TEST(NumberList, RefusesWhatIsNone) {
  for (const char* text : {"", ",", "1,", "a", "-1", "1-", "5-3", "1-8*", "1-8*1", "0-8*2", "1-8+0",
                           "1-8/2", "1-8*2x", "1 2", "99999999999999999999", "0-4294967296"}) {
    const auto numbers = parse_numbers("-d", text);
    ASSERT_FALSE(numbers.ok()) << text;
    EXPECT_EQ(numbers.error().where, "-d");
  }
}

TEST(Shapes, HaveTheirModelsParameters) {
  const std::pair<const char*, double> published[] = {
      {"smollm2-135m", 134515008}, {"llama-3-8b", 8030261248},   {"qwen2.5-7b", 7615616512},
      {"qwen2.5-0.5b", 494032768}, {"llama-3.2-1b", 1235814400}, {"llama-2-7b", 6738415616},
      {"qwen3-8b", 8190735360}};
  for (const auto& [name, n] : published) {
    const auto config = model_shape(name);
    ASSERT_TRUE(config.ok()) << config.error().message();
    EXPECT_DOUBLE_EQ(engine::n_parameters(*config), n) << name;
  }
  EXPECT_TRUE(model_shape("Llama-3-8B").ok());
  EXPECT_FALSE(model_shape("llama-3-9b").ok());
}

TEST(Shapes, ReadBandwidthsAndSizes) {
  EXPECT_EQ(parse_bandwidth("400GB/s").value(), 400e9);
  EXPECT_DOUBLE_EQ(parse_bandwidth("17.1").value(), 17.1e9);
  EXPECT_EQ(parse_bandwidth("3.35TB/s").value(), 3.35e12);
  EXPECT_EQ(parse_bytes("--memory", "4GB").value(), 4e9);
  EXPECT_EQ(parse_bytes("--memory", "800MiB").value(), 800.0 * 1048576);
  for (const char* bad : {"", "fast", "-4GB/s", "0", "4 parsecs"}) {
    EXPECT_FALSE(parse_bandwidth(bad).ok()) << bad;
    EXPECT_FALSE(parse_bytes("--memory", bad).ok()) << bad;
  }
}

/// Two rows with a text, numbers, a list, and nothing.
std::string printed(const std::string& format) {
  RowWriter writer(format, "t",
                   {{"name", false, [](const Row& r) { return r.value("name", std::string()); }},
                    {"n", true, [](const Row& r) { return std::to_string(r.value("n", 0)); }}});
  std::string out;
  for (int n : {1, 2}) {
    Row row;
    row["name"] = "it's \"x\"";
    row["n"] = n;
    row["rate"] = 0.5;
    row["samples"] = {1, 2};
    row["none"] = nullptr;
    out += writer.add(row);
  }
  return out + writer.finish();
}

TEST(Rows, EveryFormat) {
  EXPECT_EQ(printed("md"),
            "| name | n |\n| --- | ---: |\n| it's \"x\" | 1 |\n| it's \"x\" | 2 |\n");
  EXPECT_EQ(printed("csv"),
            "name,n,rate,none\n\"it's \"\"x\"\"\",\"1\",\"0.5\",\"\"\n"
            "\"it's \"\"x\"\"\",\"2\",\"0.5\",\"\"\n");
  EXPECT_EQ(
      printed("sql"),
      "CREATE TABLE IF NOT EXISTS t (\n  name TEXT,\n  n INTEGER,\n  rate REAL,\n  none TEXT\n"
      ");\n\n"
      "INSERT INTO t (name, n, rate, none) VALUES ('it''s \"x\"', 1, 0.5, NULL);\n"
      "INSERT INTO t (name, n, rate, none) VALUES ('it''s \"x\"', 2, 0.5, NULL);\n");
  const Row all = Row::parse(printed("json"));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1]["n"], 2);
  EXPECT_EQ(all[0]["samples"], Row({1, 2}));
  const std::string lines = printed("jsonl");
  EXPECT_EQ(Row::parse(lines.substr(0, lines.find('\n'))), all[0]);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
}

TEST(Rows, NoRowsAreAnEmptyList) {
  EXPECT_EQ(RowWriter("json", "t", {}).finish(), "[]\n");
  EXPECT_EQ(RowWriter("csv", "t", {}).finish(), "");
}

PlotLane lane_of(const std::string& name, const engine::CacheSpec& spec) {
  PlotLane lane;
  lane.name = name;
  lane.subject.config = model_shape("llama-3-8b").value();
  lane.subject.weights = engine::weight_traffic(lane.subject.config, 4.5);
  lane.subject.cache = engine::cache_traffic(lane.subject.config, spec).value();
  lane.machine = engine::machine_of(engine::find_machine("laptop").value());
  return lane;
}

TEST(Forecast, AddsUpBlocksOfAPromptAndStepsOfAText) {
  const PlotLane lane = lane_of("f16", {});
  const auto of = [&](const BenchTest& test) { return forecast(lane.machine, lane.subject, test); };
  const Forecast first = of({512, 0, 100}), second = of({512, 0, 612}), both = of({1024, 0, 100});
  EXPECT_DOUBLE_EQ(both.seconds, first.seconds + second.seconds);
  EXPECT_DOUBLE_EQ(both.bytes, first.bytes + second.bytes);
  EXPECT_DOUBLE_EQ(of({512, 0, 100, 3}).seconds, 3 * first.seconds);
  // The depth in the middle stands for all: cost grows linearly with it.
  double one_by_one = 0;
  for (int i = 0; i < 5; ++i) one_by_one += of({0, 1, 1000 + i}).seconds;
  EXPECT_NEAR(of({0, 5, 1000}).seconds, one_by_one, 1e-9 * one_by_one);
}

TEST(Plots, ShowEveryLaneAndRecord) {
  const lowkey::testing::TemporaryFolder folder;
  BenchOptions options;
  options.n_depth = {0, 8192};
  options.svg = folder.path() + "/plots";
  const Row record = {{"backend", "llama.cpp"}, {"cache", "q8_0"}, {"n_gen", 32},
                      {"n_depth", 8192},        {"batch", 1},      {"median_ts", 7.5},
                      {"step_bytes", nullptr}};
  const BenchPlotData data{{lane_of("f16", {})}, {record}};
  ASSERT_TRUE(write_bench_plots(options, data).ok());
  const auto text = [&](const char* name) {
    std::ifstream in(options.svg + "/" + name);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  for (const char* name : {"depth.svg", "batch.svg"}) {
    EXPECT_NE(text(name).find("f16 predicted"), std::string::npos) << name;
    EXPECT_NE(text(name).find("llama.cpp q8_0"), std::string::npos) << name;
  }
  EXPECT_NE(text("roofline.svg").find("working set"), std::string::npos);
  options.memory = "plenty";
  EXPECT_FALSE(write_bench_plots(options, data).ok());
}

}  // namespace
}  // namespace lowkey::apps
