#include "apps/calibrate/sweep.h"

#include <spdlog/fmt/fmt.h>

#include <filesystem>
#include <iostream>

#include "apps/calibrate/text.h"
#include "apps/console/progress.h"
#include "apps/console/stop.h"
#include "base/file_map.h"
#include "base/newlines.h"
#include "calib/plan.h"
#include "engine/eval/perplexity.h"
#include "models/basis/basis.h"
#include "models/model_hash.h"

namespace lowkey::apps {

namespace {

struct JudgeText {
  std::string name;
  std::vector<int32_t> tokens;
};

struct Texts {
  TextSplit split;
  std::vector<JudgeText> judges;
};

/// What is learned from, what checks predictions, and of a text without -f what is left to judge
/// by.
Status split_own_text(const CalibrateCommand& o, const models::Tokenizer& tokenizer, Texts& out) {
  const int n_held = 2, n_chunk = o.calibrate.n_chunk;
  const int64_t n = o.n_tokens > 0 ? o.n_tokens : 16384;
  LK_ASSIGN(out.split, split_text(tokenizer, o.text, n, n_chunk, n_held + o.n_judge_chunks));
  std::vector<int32_t>& held = out.split.held_back;
  const auto rest = held.begin() + std::min<int64_t>(n_held * n_chunk, int64_t(held.size()));
  if (o.judges.empty()) out.judges.push_back({"held back", {rest, held.end()}});
  held.erase(rest, held.end());
  if (!o.judges.empty() || !out.judges[0].tokens.empty()) return {};
  return make_error(ErrorCode::kInvalidData, o.text,
                    "expected chunks beyond those to learn from, or a text to judge by (-f), "
                    "found neither");
}

Result<Texts> sweep_texts(const CalibrateCommand& o, const std::string& model_path) {
  LK_ASSIGN(const models::Tokenizer tokenizer, models::tokenizer_for_model(model_path));
  Texts out;
  if (!o.text.empty()) LK_RETURN_IF_ERROR(split_own_text(o, tokenizer, out));
  for (const std::string& path : o.judges) {
    LK_ASSIGN(const std::string text, read_text_file(path));
    JudgeText judge{std::filesystem::path(path).filename().string(), {}};
    LK_ASSIGN(judge.tokens, tokenizer.encode(with_unix_newlines(text), {}));
    out.judges.push_back(std::move(judge));
  }
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
  void done(int64_t n) { done_ += n; }

 private:
  Progress progress_{"sweep", "runs"};
  int64_t done_ = 0, total_;
  bool quiet_;
};

/// What a basis, or the controls, are measured as: all against one run of the full cache.
struct Subjects {
  std::vector<engine::CacheSpec> caches;
  std::vector<SweepRow> rows;
};

class Sweep {
 public:
  Sweep(const CalibrateCommand& options, const engine::Engine& engine, Texts texts)
      : o_(options),
        engine_(engine),
        texts_(std::move(texts)),
        steps_(n_steps(), o_.common.quiet) {}

  Status run() {
    Subjects controls;
    for (const std::string& control : o_.controls) {
      LK_ASSIGN(engine::CacheSpec cache, engine::parse_cache_type(control));
      controls.caches.push_back(std::move(cache));
      controls.rows.push_back({control, "", "", 0, 0, 0, 0, 0, 0, 0});
    }
    LK_RETURN_IF_ERROR(measure(std::move(controls)));
    for (const std::string& path : o_.bases) {
      LK_ASSIGN(const models::BasisFile file, models::read_basis(path));
      LK_RETURN_IF_ERROR(models::match_model(file, models::model_hash(engine_.model()), path));
      LK_RETURN_IF_ERROR(add_basis(std::filesystem::path(path).stem().string(), file));
    }
    for (const std::string& method : o_.methods) LK_RETURN_IF_ERROR(add_method(method));
    return {};
  }

  const std::vector<SweepRow>& rows() const { return rows_; }

 private:
  int64_t n_steps() const {
    const size_t each = o_.policies.size() * o_.sweep_bits.size();
    const size_t measured = o_.controls.size() + (o_.methods.size() + o_.bases.size()) * each;
    return int64_t(o_.methods.size() + measured * texts_.judges.size());
  }

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
    steps_.done(1);
    return add_basis(method, result.file);
  }

  Status add_basis(const std::string& name, const models::BasisFile& basis) {
    const calib::WidthRules rules = calib::width_rules(calib::is_rank_only(basis));
    const auto n = double(calib::elements_per_token(basis));
    Subjects subjects;
    for (const std::string& policy : o_.policies) {
      for (const double bits : o_.sweep_bits) {
        models::BasisFile file = basis;
        file.policy = policy;
        LK_RETURN_IF_ERROR(calib::plan_widths(file, rules, int64_t(bits * n)));
        subjects.rows.push_back({name, policy, "", 0, 0, 0, 0, 0, 0, calib::predicted_kld(file)});
        LK_ASSIGN(engine::CacheSpec cache, latent_cache(std::move(file), engine_, name));
        subjects.caches.push_back(std::move(cache));
      }
    }
    return measure(std::move(subjects));
  }

  Status measure(Subjects subjects) {
    if (subjects.caches.empty()) return {};
    const int n_context = o_.n_judge_context > 0 ? o_.n_judge_context : o_.calibrate.n_chunk;
    for (size_t i = 0; i < subjects.caches.size(); ++i) {
      engine::CacheSpec& cache = subjects.caches[i];
      cache.n_sinks = o_.calibrate.n_sinks;
      cache.n_window = o_.calibrate.window;
      LK_ASSIGN(const engine::KvCache probe,
                engine::KvCache::create(engine_.config(), cache, n_context, 1));
      subjects.rows[i].bits_per_element = probe.layout().bits_per_element();
      subjects.rows[i].bytes_per_token = probe.layout().coded_bytes_per_token;
    }
    engine::PerplexityOptions options;
    options.n_context = n_context;
    options.n_chunks = o_.n_judge_chunks;
    options.stopped = stop_requested;
    LK_ASSIGN(options.baseline, engine::parse_cache_type("f32"));
    for (const JudgeText& text : texts_.judges) {
      options.progress = [&](int done, int total, double) {
        return steps_.note(
            fmt::format("{} on {} {}/{}", subjects.rows[0].name, text.name, done, total));
      };
      LK_ASSIGN(const auto results,
                engine::perplexities(engine_, text.tokens, options, subjects.caches));
      for (size_t i = 0; i < results.size(); ++i) add_row(subjects.rows[i], text.name, results[i]);
      steps_.done(int64_t(results.size()));
    }
    return {};
  }

  void add_row(SweepRow row, const std::string& text, const engine::PerplexityResult& result) {
    row.text = text;
    row.ppl = result.ppl;
    row.ppl_change = result.ppl / result.divergence->baseline_ppl - 1;
    row.kld = result.divergence->mean;
    row.kld_stderr = result.divergence->mean_stderr;
    rows_.push_back(std::move(row));
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
  const Status status = sweep.run();
  const std::vector<SweepRow>& rows = sweep.rows();
  if (!status.ok() && rows.empty()) return status;
  // Of a sweep that was stopped, or failed, what it had measured: rows take minutes each.
  if (o.out == "json") {
    std::cout << sweep_json(rows).dump(1) << '\n';
  } else {
    std::cout << (o.out == "svg" ? sweep_svg(rows) : sweep_csv(rows));
  }
  if (!o.svg.empty()) LK_RETURN_IF_ERROR(write_file_atomically(o.svg, sweep_svg(rows)));
  if (!o.csv.empty()) LK_RETURN_IF_ERROR(write_file_atomically(o.csv, sweep_csv(rows)));
  return status;
}

}  // namespace lowkey::apps
