#include "apps/bench/peers.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "apps/bench/record.h"
#include "apps/models_get/child.h"
#include "apps/models_get/models_get.h"

namespace lowkey::apps {

namespace {

namespace fs = std::filesystem;

constexpr const char* kSingle = "llama-bench";
constexpr const char* kBatched = "llama-batched-bench";

/// Folders in which the programs may lie, in order.
std::vector<fs::path> candidate_folders(const std::string& folder) {
  if (!folder.empty()) return {folder};
  std::vector<fs::path> folders;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(default_cache_folder() + "/peers", ignored)) {
    folders.push_back(entry.path() / "build" / "bin");
  }
  return folders;
}

Error unexpected_output(const std::string& program, const std::string& expected,
                        const std::string& output) {
  return make_error(ErrorCode::kIo, program,
                    "expected " + expected + ", found '" +
                        output.substr(0, std::min<size_t>(output.size(), 300)) + "'");
}

/// The array of records in what llama-bench said, which may stand between other lines.
Result<Row> parse_records(const std::string& program, const std::string& output) {
  const size_t begin = output.find("[\n"), end = output.rfind(']');
  if (begin != std::string::npos && end != std::string::npos && begin < end) {
    Row all = Row::parse(output.substr(begin, end - begin + 1), nullptr, false);
    if (all.is_array() && all.size() == 1 && all[0].contains("avg_ts")) return all[0];
  }
  return unexpected_output(program, "a JSON array of one record", output);
}

/// The record in what llama-batched-bench said: one line between others.
Result<Row> parse_batched(const std::string& program, const std::string& output) {
  const auto has_number = [](const Row& row, const char* name) {
    return row.contains(name) && row[name].is_number();
  };
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() != '{') continue;
    Row row = Row::parse(line, nullptr, false);
    if (has_number(row, "t_tg") && has_number(row, "speed_tg")) return row;
  }
  return unexpected_output(program, "a line of JSON with t_tg and speed_tg", output);
}

/// What both programs are told in the same words. With flash attention, which their default leaves
/// out here: quantised values need it, and prompts are read faster with it, by a tenth at the start
/// and by a quarter behind 7,168 tokens (f16), while decoding takes as long.
std::vector<std::string> start_command(const std::string& program, const std::string& model,
                                       int n_threads, const std::string& cache) {
  return {program, "-m",  model, "-t", std::to_string(n_threads), "-ctk", cache,
          "-ctv",  cache, "-fa", "1"};
}

Result<std::string> output_of(const std::vector<std::string>& command) {
  LK_ASSIGN(ChildOutcome outcome, run_child(command));
  if (outcome.exit_code == 0) return std::move(outcome.last_output);
  return make_error(ErrorCode::kIo, command.front(),
                    "expected exit code 0, found " + std::to_string(outcome.exit_code) + ": " +
                        outcome.last_output);
}

Result<Row> run_single(std::vector<std::string> command, const BenchTest& test) {
  const std::string n_prompt = std::to_string(test.n_prompt), n_gen = std::to_string(test.n_gen);
  const bool together = test.n_prompt > 0 && test.n_gen > 0;
  command.insert(command.end(), {"-r", "1", "-o", "json", "-d", std::to_string(test.n_depth)});
  command.insert(command.end(), {"-p", together ? "0" : n_prompt, "-n", together ? "0" : n_gen});
  if (together) command.insert(command.end(), {"-pg", n_prompt + ',' + n_gen});
  LK_ASSIGN(const std::string output, output_of(command));
  return parse_records(command.front(), output);
}

/// Every sequence has a prompt of its own, as ours have, and a cache of its own, which is the
/// default: in one cache for all (-kvu) every query passes over the tokens of the others too, which
/// decoded 4 sequences of 512 tokens 1.1 times and 16 of them 1.4 times as slowly (f16, one
/// thread).
Result<Row> run_batched(std::vector<std::string> command, const std::string& cache,
                        const BenchTest& test) {
  // It times the prompts too, and its speed of no tokens at all is "nan", which is no JSON: an
  // empty depth gets a prompt of one token.
  const int64_t depth = std::max<int64_t>(test.n_depth, 1);
  const int64_t n_context = test.batch * (depth + test.n_gen);  // of all sequences together
  command.insert(command.end(), {"-npp", std::to_string(depth), "-ntg", std::to_string(test.n_gen),
                                 "-npl", std::to_string(test.batch), "-c",
                                 std::to_string(n_context), "--output-format", "jsonl"});
  LK_ASSIGN(const std::string output, output_of(command));
  LK_ASSIGN(Row row, parse_batched(command.front(), output));
  row["type_k"] = row["type_v"] = cache;
  row["n_prompt"] = 0;
  row["n_gen"] = test.n_gen;
  row["n_depth"] = test.n_depth;
  row["avg_ns"] = row["t_tg"].get<double>() * 1e9;
  row["avg_ts"] = row["speed_tg"];
  return row;
}

/// Fields about the file, the machine and the hour, which llama-batched-bench leaves out.
bool is_shared(const std::string& field) {
  for (const char* name :
       {"cpu_info", "model_filename", "model_type", "model_size", "model_n_params", "test_time"}) {
    if (field == name) return true;
  }
  return false;
}

}  // namespace

Result<Peer> Peer::find(const std::string& folder, bool batched) {
  std::string absent = kSingle;
  for (const fs::path& candidate : candidate_folders(folder)) {
    if (!fs::exists(candidate / kSingle)) continue;
    if (!batched || fs::exists(candidate / kBatched)) return Peer(candidate.string());
    absent = std::string(kBatched) + " (for several sequences) beside " + kSingle;
  }
  return make_error(ErrorCode::kNotFound, "--peers",
                    "expected " + absent + " in " + (folder.empty() ? "the cache folder" : folder) +
                        ", found none; bench/peers/build_llama.sh builds what is missing and "
                        "prints its folder, which --peer-bin or PEER_BIN can name");
}

Result<Row> Peer::run(const std::string& model, int n_threads, const std::string& cache,
                      const BenchTest& test) const {
  const auto start = [&](const char* program) {
    return start_command((fs::path(folder_) / program).string(), model, n_threads, cache);
  };
  return test.batch == 1 ? run_single(start(kSingle), test)
                         : run_batched(start(kBatched), cache, test);
}

double peer_ts(const Row& run) { return run.value("avg_ts", 0.0); }

Row join_peer_runs(const std::vector<Row>& runs, const Row& ours) {
  std::vector<double> ns, ts;
  for (const Row& run : runs) {
    ns.push_back(run.value("avg_ns", 0.0));
    ts.push_back(peer_ts(run));
  }
  Row row;
  for (const auto& [name, value] : ours.items()) {
    const auto theirs = runs.front().find(name);
    if (theirs != runs.front().end()) {
      row[name] = *theirs;
    } else {
      row[name] = is_shared(name) ? value : Row(nullptr);
    }
  }
  add_samples(row, ns, ts);
  row["backend"] = "llama.cpp";
  row["cache"] = runs.front().value("type_k", std::string());
  row["batch"] = ours.value("batch", 1);
  row["median_ts"] = median(ts);
  return row;
}

}  // namespace lowkey::apps
