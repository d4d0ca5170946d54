// `lowkey bench`: speed with llama-bench's options, columns and field names, against what the model
// of the memory system predicts.
#include <algorithm>
#include <iostream>
#include <memory>

#include "apps/bench/options.h"
#include "apps/bench/peers.h"
#include "apps/bench/plots.h"
#include "apps/bench/predict.h"
#include "apps/bench/record.h"
#include "apps/bench/subjects.h"
#include "apps/commands.h"
#include "apps/console/progress.h"
#include "apps/console/stop.h"
#include "engine/traffic/rates.h"

namespace lowkey::apps {

namespace {

/// One cache in the run: its forecasts and, while a depth is in work, its sequences.
struct Lane {
  NamedCache cache;
  Subject subject;
  engine::Machine machine;
  std::unique_ptr<BenchCase> bench;
};

/// What repetitions of one test leave, lane by lane and peer by peer.
struct Samples {
  std::vector<BenchRecord> ours;
  std::vector<std::vector<Row>> peers;
};

int64_t largest(const std::vector<int64_t>& numbers) {
  return numbers.empty() ? 0 : *std::max_element(numbers.begin(), numbers.end());
}

class BenchRun {
 public:
  BenchRun(const BenchOptions& o, const engine::Engine& engine)
      : o_(o),
        engine_(engine),
        writer_(o.format, "llama_bench", record_columns()),
        progress_("bench", "runs") {}

  Status run() {
    LK_RETURN_IF_ERROR(prepare());
    for (const int64_t depth : o_.n_depth) {
      for (const int64_t batch : o_.batch) LK_RETURN_IF_ERROR(run_depth(depth, batch));
    }
    std::cout << writer_.finish() << std::flush;
    return o_.svg.empty() ? Status() : write_bench_plots(o_, plotted_);
  }

 private:
  Status prepare() {
    if (o_.peers) {
      const bool batched = largest(o_.batch) > 1 && largest(o_.n_gen) > 0;
      LK_ASSIGN(Peer peer, Peer::find(o_.peer_bin, batched));
      peer_ = std::make_unique<Peer>(std::move(peer));
    }
    LK_ASSIGN(std::vector<NamedCache> caches, named_caches(o_, engine_));
    engine::Machine machine;
    if (!o_.no_model) {
      LK_ASSIGN(machine, measure_machine(engine_.context(), engine_.config(),
                                         weight_type(engine_.model()), o_.common.quiet));
    }
    const engine::WeightTraffic weights =
        engine::weight_traffic(engine_.config(), engine_.weights());
    for (NamedCache& cache : caches) {
      Lane lane{std::move(cache), {engine_.config(), weights, {}}, machine, nullptr};
      LK_ASSIGN(lane.subject.cache, engine::cache_traffic(engine_.config(), lane.cache.spec));
      if (!o_.no_model) {
        LK_RETURN_IF_ERROR(engine::measure_attend_rates(engine_.context(), engine_.config(),
                                                        lane.cache.spec, lane.machine));
      }
      lanes_.push_back(std::move(lane));
    }
    for (const Lane& lane : lanes_) {
      plotted_.lanes.push_back({lane.cache.name, lane.subject, lane.machine});
    }
    const size_t n_tests = o_.n_depth.size() * o_.batch.size() *
                           (o_.n_prompt.size() + o_.n_gen.size() + o_.prompts_and_texts.size());
    n_runs_ = int64_t(n_tests * lanes_.size()) * (o_.repetitions + 1);
    return {};
  }

  /// All caches are filled to the depth first, so that their runs can alternate.
  Status run_depth(int64_t depth, int64_t batch) {
    std::vector<BenchTest> tests;
    for (const int64_t n : o_.n_prompt) {
      if (n > 0) tests.push_back({n, 0, depth, batch, o_.top_k});
    }
    for (const int64_t n : o_.n_gen) {
      if (n > 0) tests.push_back({0, n, depth, batch, o_.top_k});
    }
    for (const auto& [n_prompt, n_gen] : o_.prompts_and_texts) {
      tests.push_back({n_prompt, n_gen, depth, batch, o_.top_k});
    }
    int64_t longest = 0;
    for (const BenchTest& t : tests) longest = std::max(longest, t.n_prompt + t.n_gen);
    if (batch < 1 || tests.empty()) return {};
    for (Lane& lane : lanes_) {
      const auto filled = [&](int64_t done, int64_t total) {
        say(lane.cache.name + ", depth " + std::to_string(depth) + ": filled " +
            std::to_string(done) + " of " + std::to_string(total));
      };
      LK_ASSIGN(BenchCase bench,
                BenchCase::open(engine_, lane.cache.spec, tests.front(),
                                {longest, o_.common.low_memory ? 64 : 512}, filled));
      lane.bench = std::make_unique<BenchCase>(std::move(bench));
    }
    for (const BenchTest& test : tests) LK_RETURN_IF_ERROR(run_test(test));
    for (Lane& lane : lanes_) lane.bench.reset();
    return {};
  }

  Status run_test(const BenchTest& test) {
    Samples samples;
    for (const Lane& lane : lanes_) {
      samples.ours.push_back(start_record(*lane.bench, test, lane.cache.name));
    }
    if (peer_ && Peer::can_run(test)) samples.peers.resize(o_.peer_caches.size());
    for (int r = 0; r <= o_.repetitions; ++r) LK_RETURN_IF_ERROR(run_round(r, test, samples));
    std::vector<Row> rows;
    for (size_t i = 0; i < lanes_.size(); ++i) {
      samples.ours[i].kv_bytes_total = lanes_[i].bench->kv_bytes_total();
      rows.push_back(finish(lanes_[i], samples.ours[i], samples.peers));
    }
    for (const auto& runs : samples.peers) rows.push_back(join_peer_runs(runs, rows.front()));
    for (Row& row : rows) {
      std::cout << writer_.add(row) << std::flush;
      plotted_.records.push_back(std::move(row));
    }
    return {};
  }

  /// Every cache once, then every peer once: what slows the machine for a while slows all alike.
  /// Behind a peer's run ours warm up again, as each of its own runs begins by doing.
  Status run_round(int round, const BenchTest& test, Samples& samples) {
    for (size_t i = 0; i < lanes_.size(); ++i) {
      if (stop_requested()) return make_error(ErrorCode::kCancelled, "bench", "stopped");
      const bool behind_peer = round > 0 && !samples.peers.empty();
      if (behind_peer) LK_RETURN_IF_ERROR(lanes_[i].bench->run(test));
      LK_ASSIGN(const double seconds, lanes_[i].bench->run(test));
      if (round > 0) samples.ours[i].seconds.push_back(seconds);  // round 0 warms up
      ++n_done_;
      say(test_name(test.n_prompt, test.n_gen, test.n_depth, test.batch));
    }
    for (size_t i = 0; i < samples.peers.size() && round > 0; ++i) {
      if (stop_requested()) return make_error(ErrorCode::kCancelled, "bench", "stopped");
      say("llama.cpp " + o_.peer_caches[i]);
      LK_ASSIGN(Row row,
                peer_->run(engine_.model().path, engine_.n_threads(), o_.peer_caches[i], test));
      samples.peers[i].push_back(std::move(row));
    }
    return {};
  }

  Row finish(const Lane& lane, const BenchRecord& record,
             const std::vector<std::vector<Row>>& peers) const {
    Finished finished{record, {}, !o_.no_model, {}};
    if (!o_.no_model) finished.forecast = forecast(lane.machine, lane.subject, record.test);
    const std::vector<double> ts = samples_ts(record);
    for (size_t i = 0; i < peers.size(); ++i) {
      std::vector<double> ratios;
      for (size_t r = 0; r < ts.size(); ++r) ratios.push_back(ts[r] / peer_ts(peers[i][r]));
      finished.peer_ratios[o_.peer_caches[i]] = median(ratios);
    }
    return record_fields(finished, engine_);
  }

  void say(const std::string& note) {
    if (!o_.common.quiet) progress_.update(n_done_, n_runs_, note);
  }

  const BenchOptions& o_;
  const engine::Engine& engine_;
  std::unique_ptr<Peer> peer_;
  std::vector<Lane> lanes_;
  RowWriter writer_;
  Progress progress_;
  BenchPlotData plotted_;
  int64_t n_done_ = 0, n_runs_ = 0;
};

/// -c means the same as elsewhere: what the cache has room for.
Status check_context(const BenchOptions& o) {
  int64_t longest = std::max(largest(o.n_prompt), largest(o.n_gen));
  for (const auto& [n_prompt, n_gen] : o.prompts_and_texts) {
    longest = std::max(longest, n_prompt + n_gen);
  }
  const int64_t needed = largest(o.n_depth) + longest;
  if (o.common.n_context == 0 || needed <= o.common.n_context) return {};
  return make_error(ErrorCode::kInvalidArgument, "-c",
                    "expected room for " + std::to_string(needed) + " tokens, found " +
                        std::to_string(o.common.n_context));
}

Status run(const BenchOptions& o) {
  if (o.predict) return run_predict(o);
  LK_RETURN_IF_ERROR(check_context(o));
  if (o.common.model.empty()) {
    return make_error(ErrorCode::kInvalidArgument, "-m",
                      "expected a model (--shape and --machine go with --predict), found none");
  }
  watch_for_stop();
  LK_ASSIGN(const std::unique_ptr<engine::Engine> engine, load_engine(o.common));
  return BenchRun(o, *engine).run();
}

}  // namespace

void add_bench_command(CLI::App& program, Status& status) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      program.add_subcommand("bench", "Measure or predict prefill and decode speed");
  add_bench_options(*command, *options);
  command->callback([options, &status] { status = run(*options); });
}

}  // namespace lowkey::apps
