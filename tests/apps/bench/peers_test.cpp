// What `lowkey bench --peers` asks of llama.cpp's programs, and what it makes of their answers.
#include "apps/bench/peers.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/assets.h"

namespace lowkey::apps {
namespace {

/// A folder with scripts in place of the programs: each notes its arguments, and says `output`.
class FakePeer {
 public:
  void add(const std::string& program, const std::string& output, int exit_code = 0) {
    folder_.write(program + ".output", output);
    const std::string path = folder_.write(
        program, "#!/bin/sh\necho \"$*\" >\"$0.arguments\"\ncat \"$0.output\"\nexit " +
                     std::to_string(exit_code) + '\n');
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }

  std::string folder() const { return folder_.path(); }

  /// What `program` was told, in one line.
  std::string arguments(const std::string& program) const {
    std::ifstream in(folder_.path(program + ".arguments"));
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  lowkey::testing::TemporaryFolder folder_;
};

constexpr const char* kBatchedOutput =
    "W llama_context: rounded up\n"
    "{\"n_kv_max\": 1024, \"n_batch\": 2048, \"n_threads\": 2, \"pp\": 64, \"tg\": 8, \"pl\": 4, "
    "\"t_pp\": 0.5, \"speed_pp\": 512.0, \"t_tg\": 0.250000, \"speed_tg\": 128.000000}\n\n"
    "llama_perf_context_print: {other}\n";

TEST(Peer, RunsBecomeARecordWithOurFields) {
  const Row ours = {{"model_size", 5},
                    {"cache", "latent"},
                    {"backend", "lowkey"},
                    {"avg_ts", 9.0},
                    {"batch", 1},
                    {"model_type", "llama 135M Q4_1"},
                    {"kv_bytes_per_token", 3600.0}};
  const Row run = {{"model_size", 7}, {"type_k", "q8_0"}, {"avg_ts", 10.0}, {"avg_ns", 100.0}};
  Row faster = run;
  faster["avg_ts"] = 20.0;
  const Row joined = join_peer_runs({run, faster, faster}, ours);
  EXPECT_EQ(joined["backend"], "llama.cpp");
  EXPECT_EQ(joined["cache"], "q8_0");
  EXPECT_EQ(joined["batch"], 1);
  EXPECT_EQ(joined["model_size"], 7);
  EXPECT_EQ(joined["model_type"], "llama 135M Q4_1");  // the same file, where it does not say
  EXPECT_TRUE(joined["kv_bytes_per_token"].is_null());
  EXPECT_EQ(joined["median_ts"], 20.0);
  EXPECT_EQ(joined["samples_ts"], Row({10.0, 20.0, 20.0}));
}

TEST(Peer, RunsOneSequence) {
  FakePeer fake;
  fake.add("llama-bench", "load\n[\n  {\"type_k\": \"f16\", \"avg_ts\": 9.5}\n]\n");
  const auto peer = Peer::find(fake.folder(), false);
  ASSERT_TRUE(peer.ok()) << peer.error().message();
  const auto row = peer->run("m.gguf", 2, "f16", {0, 8, 64, 1});
  ASSERT_TRUE(row.ok()) << row.error().message();
  EXPECT_EQ(peer_ts(*row), 9.5);
  EXPECT_EQ(fake.arguments("llama-bench"),
            "-m m.gguf -t 2 -ctk f16 -ctv f16 -fa 1 -r 1 -o json -d 64 -p 0 -n 8\n");
  ASSERT_TRUE(peer->run("m.gguf", 2, "q8_0", {16, 8, 64, 1}).ok());
  EXPECT_EQ(fake.arguments("llama-bench"),
            "-m m.gguf -t 2 -ctk q8_0 -ctv q8_0 -fa 1 -r 1 -o json -d 64 -p 0 -n 0 -pg 16,8\n");
}

TEST(Peer, DecodesSeveralSequences) {
  FakePeer fake;
  fake.add("llama-bench", "");
  fake.add("llama-batched-bench", kBatchedOutput);
  const auto peer = Peer::find(fake.folder(), true);
  ASSERT_TRUE(peer.ok()) << peer.error().message();
  const auto row = peer->run("m.gguf", 2, "q8_0", {0, 8, 64, 4});
  ASSERT_TRUE(row.ok()) << row.error().message();
  EXPECT_EQ(fake.arguments("llama-batched-bench"),
            "-m m.gguf -t 2 -ctk q8_0 -ctv q8_0 -fa 1 -npp 64 -ntg 8 -npl 4 -c 288 "
            "--output-format jsonl\n");
  EXPECT_EQ(peer_ts(*row), 128.0);
  const Row ours = {{"n_threads", 0}, {"type_v", ""}, {"n_prompt", 9}, {"n_gen", 9},
                    {"n_depth", 9},   {"batch", 4},   {"avg_ns", 1.0}, {"peer_ratios", {}}};
  const Row joined = join_peer_runs({*row, *row}, ours);
  EXPECT_EQ(joined["backend"], "llama.cpp");
  EXPECT_EQ(joined["cache"], "q8_0");
  EXPECT_EQ(joined["type_v"], "q8_0");
  EXPECT_EQ(joined["n_threads"], 2);
  EXPECT_EQ(joined["n_prompt"], 0);
  EXPECT_EQ(joined["n_gen"], 8);
  EXPECT_EQ(joined["n_depth"], 64);
  EXPECT_EQ(joined["batch"], 4);
  EXPECT_EQ(joined["avg_ns"], 0.25e9);
  EXPECT_EQ(joined["median_ts"], 128.0);
  EXPECT_TRUE(joined["peer_ratios"].is_null());
}

TEST(Peer, GivesAnEmptyDepthTheSmallestPrompt) {
  FakePeer fake;
  fake.add("llama-bench", "");
  fake.add("llama-batched-bench", kBatchedOutput);
  const auto row = Peer::find(fake.folder(), true)->run("m.gguf", 2, "f16", {0, 8, 0, 16});
  ASSERT_TRUE(row.ok()) << row.error().message();
  EXPECT_EQ((*row)["n_depth"], 0);
  EXPECT_EQ(fake.arguments("llama-batched-bench"),
            "-m m.gguf -t 2 -ctk f16 -ctv f16 -fa 1 -npp 1 -ntg 8 -npl 16 -c 144 --output-format "
            "jsonl\n");
}

TEST(Peer, TellsWhatItCannotRead) {
  FakePeer fake;
  fake.add("llama-bench", "no records");
  const auto error_of = [&](int64_t batch) {
    const auto row =
        Peer::find(fake.folder(), batch > 1)->run("m.gguf", 2, "f16", {0, 8, 0, batch});
    return row.ok() ? std::string() : row.error().message();
  };
  EXPECT_NE(error_of(1).find("found 'no records'"), std::string::npos);
  // What it says of no tokens, of a context that is too small, and where it ends early.
  const std::pair<std::string, int> bad[] = {
      {"{\"t_tg\": 0.1, \"speed_tg\": -nan}\n", 0}, {"", 0}, {kBatchedOutput, 1}};
  for (const auto& [output, exit_code] : bad) {
    fake.add("llama-batched-bench", output, exit_code);
    const std::string error = error_of(4);
    EXPECT_NE(error.find("llama-batched-bench"), std::string::npos) << error;
    EXPECT_NE(error.find(exit_code == 0 ? "speed_tg" : "exit code 0, found 1"), std::string::npos)
        << error;
  }
}

TEST(Peer, RunsNoPromptsOfSeveralSequences) {
  EXPECT_TRUE(Peer::can_run({512, 0, 0, 1}));
  EXPECT_TRUE(Peer::can_run({512, 8, 0, 1}));
  EXPECT_TRUE(Peer::can_run({0, 8, 64, 4}));
  EXPECT_FALSE(Peer::can_run({512, 0, 0, 4}));
  EXPECT_FALSE(Peer::can_run({512, 8, 0, 4}));
}

TEST(Peer, AbsentItSaysHowToGetIt) {
  const auto error_of = [](const std::string& folder, bool batched) {
    const auto peer = Peer::find(folder, batched);
    return peer.ok() ? std::string() : peer.error().message();
  };
  EXPECT_NE(error_of("/nowhere", false).find("bench/peers/build_llama.sh"), std::string::npos);
  FakePeer older;
  older.add("llama-bench", "");
  EXPECT_EQ(error_of(older.folder(), false), "");
  const std::string error = error_of(older.folder(), true);
  EXPECT_NE(error.find("expected llama-batched-bench"), std::string::npos) << error;
  EXPECT_NE(error.find("bench/peers/build_llama.sh"), std::string::npos) << error;
}

}  // namespace
}  // namespace lowkey::apps
