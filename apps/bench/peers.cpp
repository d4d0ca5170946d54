#include "apps/bench/peers.h"

#include <filesystem>

#include "apps/bench/record.h"
#include "apps/models_get/child.h"
#include "apps/models_get/models_get.h"

namespace lowkey::apps {

namespace {

namespace fs = std::filesystem;

/// Folders in which llama-bench may lie, in order.
std::vector<fs::path> candidate_folders(const std::string& folder) {
  if (!folder.empty()) return {folder};
  std::vector<fs::path> folders;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(default_cache_folder() + "/peers", ignored)) {
    folders.push_back(entry.path() / "build" / "bin");
  }
  return folders;
}

/// The array of records in what llama-bench said, which may stand between other lines.
Result<Row> parse_records(const std::string& program, const std::string& output) {
  const size_t begin = output.find("[\n"), end = output.rfind(']');
  if (begin != std::string::npos && end != std::string::npos && begin < end) {
    Row all = Row::parse(output.substr(begin, end - begin + 1), nullptr, false);
    if (all.is_array() && all.size() == 1 && all[0].contains("avg_ts")) return all[0];
  }
  return make_error(ErrorCode::kIo, program,
                    "expected a JSON array of one record, found '" +
                        output.substr(0, std::min<size_t>(output.size(), 300)) + "'");
}

}  // namespace

Result<Peer> Peer::find(const std::string& folder) {
  for (const fs::path& candidate : candidate_folders(folder)) {
    const fs::path program = candidate / "llama-bench";
    if (fs::exists(program)) return Peer(program.string());
  }
  return make_error(ErrorCode::kNotFound, "--peers",
                    "expected llama-bench in " + (folder.empty() ? "the cache folder" : folder) +
                        ", found none; bench/peers/build_llama.sh builds it and prints its "
                        "folder, which --peer-bin or PEER_BIN can name");
}

Result<Row> Peer::run(const std::string& model, int n_threads, const std::string& cache,
                      const BenchTest& test) const {
  std::vector<std::string> command = {
      program_, "-m",   model, "-t", std::to_string(n_threads),   "-r", "1", "-o", "json", "-ctk",
      cache,    "-ctv", cache, "-d", std::to_string(test.n_depth)};
  const std::string n_prompt = std::to_string(test.n_prompt), n_gen = std::to_string(test.n_gen);
  const bool together = test.n_prompt > 0 && test.n_gen > 0;
  command.insert(command.end(), {"-p", together ? "0" : n_prompt, "-n", together ? "0" : n_gen});
  if (together) command.insert(command.end(), {"-pg", n_prompt + ',' + n_gen});
  if (cache != "f16" && cache != "f32" && cache != "bf16") {
    command.insert(command.end(), {"-fa", "1"});  // its quantised values need flash attention
  }
  LK_ASSIGN(const ChildOutcome outcome, run_child(command));
  if (outcome.exit_code != 0) {
    return make_error(ErrorCode::kIo, program_,
                      "expected exit code 0, found " + std::to_string(outcome.exit_code) + ": " +
                          outcome.last_output);
  }
  return parse_records(program_, outcome.last_output);
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
    row[name] = theirs == runs.front().end() ? Row(nullptr) : *theirs;
  }
  add_samples(row, ns, ts);
  row["backend"] = "llama.cpp";
  row["cache"] = runs.front().value("type_k", std::string());
  row["batch"] = 1;
  row["median_ts"] = median(ts);
  return row;
}

}  // namespace lowkey::apps
