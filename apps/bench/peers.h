// llama.cpp's llama-bench and llama-batched-bench as children, one run at a time, so that their
// runs alternate with ours.
#pragma once

#include <string>

#include "apps/bench/measure.h"
#include "apps/bench/rows.h"

namespace lowkey::apps {

class Peer {
 public:
  /// The programs in `folder`, or where bench/peers/build_llama.sh leaves them: llama-bench, and
  /// llama-batched-bench where `batched` tests are to be run. An error says how to get them.
  static Result<Peer> find(const std::string& folder, bool batched);

  /// Its prompts have one sequence; what it decodes may have several.
  static bool can_run(const BenchTest& test) { return test.batch == 1 || test.n_prompt == 0; }

  /// One run of such a test with a KV type of its own names.
  Result<Row> run(const std::string& model, int n_threads, const std::string& cache,
                  const BenchTest& test) const;

 private:
  explicit Peer(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

/// Several runs of one test as one record with the fields of `ours`, null where it has none; what
/// is the same for both, such as the file, may come from `ours`.
Row join_peer_runs(const std::vector<Row>& runs, const Row& ours);

/// Tokens per second of a peer's record.
double peer_ts(const Row& run);

}  // namespace lowkey::apps
