// llama.cpp's llama-bench as a child, one run at a time, so that its runs alternate with ours.
#pragma once

#include <string>

#include "apps/bench/measure.h"
#include "apps/bench/rows.h"

namespace lowkey::apps {

class Peer {
 public:
  /// llama-bench in `folder`, or where bench/peers/build_llama.sh leaves it; an error says how to
  /// get it.
  static Result<Peer> find(const std::string& folder);

  /// One run of `test` (of one sequence) with a KV type of its own names.
  Result<Row> run(const std::string& model, int n_threads, const std::string& cache,
                  const BenchTest& test) const;

 private:
  explicit Peer(std::string program) : program_(std::move(program)) {}
  std::string program_;
};

/// Several runs of one test as one record with the fields of `ours`, null where it has none.
Row join_peer_runs(const std::vector<Row>& runs, const Row& ours);

/// Tokens per second of a peer's record.
double peer_ts(const Row& run);

}  // namespace lowkey::apps
