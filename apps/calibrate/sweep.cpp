#include "apps/calibrate/sweep.h"

#include <spdlog/fmt/fmt.h>

#include <iostream>

#include "apps/calibrate/text.h"
#include "apps/console/progress.h"
#include "apps/console/stop.h"
#include "base/file_map.h"
#include "base/newlines.h"
#include "calib/plan.h"
#include "engine/eval/perplexity.h"

namespace lowkey::apps {

namespace {

struct Texts {
  TextSplit split;
  std::vector<int32_t> judge;
};

Result<Texts> sweep_texts(const CalibrateCommand& o, const std::string& model_path) {
  LK_ASSIGN(const models::Tokenizer tokenizer, models::tokenizer_for_model(model_path));
  Texts out;
  const int n_held = 2, n_chunk = o.calibrate.n_chunk;
  const int64_t n = o.n_tokens > 0 ? o.n_tokens : 16384;
  LK_ASSIGN(out.split, split_text(tokenizer, o.text, n, n_chunk, n_held + o.n_judge_chunks));
  std::vector<int32_t>& held = out.split.held_back;
  if (!o.judge.empty()) {
    LK_ASSIGN(const std::string text, read_text_file(o.judge));
    LK_ASSIGN(out.judge, tokenizer.encode(with_unix_newlines(text), {}));
  } else if (int64_t(held.size()) > int64_t{n_held} * n_chunk) {
    out.judge.assign(held.begin() + n_held * n_chunk, held.end());
  } else {
    return make_error(ErrorCode::kInvalidData, o.text,
                      "expected chunks beyond those to learn from, or a text to judge by (-f), "
                      "found neither");
  }
  held.resize(std::min(held.size(), size_t(n_held) * size_t(n_chunk)));
  return out;
}

/// The whole sweep as one bar; false from within stops it.
class Steps {
 public:
  Steps(int64_t total, bool quiet) : total_(total), quiet_(quiet) {}
  bool note(const std::string& what) {
    if (!quiet_) progress_.update(done_, total_, what);
    return !stop_requested();
  }
  void done() { ++done_; }

 private:
  Progress progress_{"sweep", "runs"};
  int64_t done_ = 0, total_;
  bool quiet_;
};

class Sweep {
 public:
  Sweep(const CalibrateCommand& options, const engine::Engine& engine, Texts texts)
      : o_(options),
        engine_(engine),
        texts_(std::move(texts)),
        steps_(int64_t(o_.controls.size() +
                       o_.methods.size() * (1 + o_.policies.size() * o_.sweep_bits.size())),
               o_.common.quiet) {}

  Status run() {
    for (const std::string& control : o_.controls) {
      LK_ASSIGN(engine::CacheSpec cache, engine::parse_cache_type(control));
      LK_RETURN_IF_ERROR(measure(cache, {control, "", 0, 0, 0, 0, 0, 0, 0}));
    }
    for (const std::string& method : o_.methods) LK_RETURN_IF_ERROR(add_method(method));
    return {};
  }

  const std::vector<SweepRow>& rows() const { return rows_; }

 private:
  Status add_method(const std::string& method) {
    calib::CalibrateOptions options = o_.calibrate;
    options.method = method;
    options.n_threads = engine_.n_threads();
    options.held_back = texts_.split.held_back;
    options.progress = [&](const char* stage, int64_t done, int64_t total) {
      return steps_.note(fmt::format("{}: {} {}/{}", method, stage, done, total));
    };
    LK_ASSIGN(calib::CalibrateResult result,
              calib::calibrate(engine_, texts_.split.learn, options));
    steps_.done();
    const calib::WidthRules rules = calib::width_rules(calib::is_rank_only(result.file));
    const auto n = double(calib::elements_per_token(result.file));
    for (const std::string& policy : o_.policies) {
      for (const double bits : o_.sweep_bits) {
        models::BasisFile file = result.file;
        file.policy = policy;
        LK_RETURN_IF_ERROR(calib::plan_widths(file, rules, int64_t(bits * n)));
        SweepRow row{method, policy, 0, 0, 0, 0, 0, 0, calib::predicted_kld(file)};
        LK_ASSIGN(const engine::CacheSpec cache, latent_cache(std::move(file), engine_, method));
        LK_RETURN_IF_ERROR(measure(cache, row));
      }
    }
    return {};
  }

  Status measure(engine::CacheSpec cache, SweepRow row) {
    cache.n_sinks = o_.calibrate.n_sinks;
    cache.n_window = o_.calibrate.window;
    engine::PerplexityOptions options;
    options.cache = cache;
    options.n_context = o_.calibrate.n_chunk;
    options.n_chunks = o_.n_judge_chunks;
    LK_ASSIGN(options.baseline, engine::parse_cache_type("f32"));
    options.progress = [&](int, int, double) { return steps_.note(row.name); };
    LK_ASSIGN(const auto result, engine::perplexity(engine_, texts_.judge, options));
    LK_ASSIGN(const engine::KvCache probe,
              engine::KvCache::create(engine_.config(), cache, o_.calibrate.n_chunk, 1));
    row.bits_per_element = probe.layout().bits_per_element();
    row.bytes_per_token = probe.layout().coded_bytes_per_token;
    row.ppl = result.ppl;
    row.ppl_change = result.ppl / result.divergence->baseline_ppl - 1;
    row.kld = result.divergence->mean;
    row.kld_stderr = result.divergence->mean_stderr;
    rows_.push_back(row);
    steps_.done();
    return {};
  }

  const CalibrateCommand& o_;
  const engine::Engine& engine_;
  Texts texts_;
  Steps steps_;
  std::vector<SweepRow> rows_;
};

}  // namespace

Status run_sweep(const CalibrateCommand& o, const engine::Engine& engine,
                 const std::string& model_path) {
  LK_ASSIGN(Texts texts, sweep_texts(o, model_path));
  watch_for_stop();
  Sweep sweep(o, engine, std::move(texts));
  LK_RETURN_IF_ERROR(sweep.run());
  if (o.out == "json") {
    std::cout << sweep_json(sweep.rows()).dump(1) << '\n';
  } else {
    std::cout << (o.out == "svg" ? sweep_svg(sweep.rows()) : sweep_csv(sweep.rows()));
  }
  return {};
}

}  // namespace lowkey::apps
