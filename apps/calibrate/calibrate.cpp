// `lowkey calibrate`: learns how each layer's keys and values are best coded.
#include "calib/calibrate.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/calibrate/options.h"
#include "apps/calibrate/report.h"
#include "apps/calibrate/sweep.h"
#include "apps/calibrate/text.h"
#include "apps/commands.h"
#include "apps/console/progress.h"
#include "apps/console/stop.h"
#include "base/sha256.h"
#include "calib/plan.h"

namespace lowkey::apps {

namespace {

/// Progress of the present stage; a new stage begins a new bar.
class Stages {
 public:
  explicit Stages(bool quiet) : quiet_(quiet) {}
  bool update(const std::string& stage, int64_t done, int64_t total) {
    if (!quiet_ && stage != stage_) {
      bar_.emplace(stage, unit_of(stage));
      bar_->begin_at(done);
      stage_ = stage;
    }
    if (bar_) bar_->update(done, total, stage.starts_with("learning") ? loss_ : "");
    return !stop_requested();
  }
  void loss(double value) { loss_ = fmt::format("loss {:.4f}", value); }

 private:
  static const char* unit_of(const std::string& stage) {
    if (stage == "sensitivity") return "sides";
    if (stage == "learning") return "epochs";
    if (stage == "learning end to end") return "steps";
    if (stage == "error surfaces") return "layers";
    if (stage == "interactions") return "sides";
    if (stage.starts_with("checking")) return "runs";
    return stage == "texts to learn from" ? "texts" : "tokens";
  }

  bool quiet_;
  std::string stage_, loss_;
  std::optional<Progress> bar_;
};

/// Chunks that nothing is learned from, to check predictions on.
constexpr int kHeldBackChunks = 2, kHeldBackSamples = 1;

/// Enough of a hash to tell texts apart and to be read in an error.
std::string short_hash(std::span<const int32_t> tokens) {
  return sha256_hex(std::as_bytes(tokens)).substr(0, 16);
}

/// Finished work of a run that learns from `text`, and what users should know about it.
Result<calib::Checkpoint> open_checkpoint(const std::string& path, const CalibrateCommand& o,
                                          const engine::Engine& engine, nlohmann::json text) {
  const bool exists = calib::Checkpoint::exists(path);
  if (o.resume && !exists) fmt::print(stderr, "{}: no checkpoint, starting anew\n", path);
  if (!o.resume && exists) {
    fmt::print(stderr, "{}: checkpoint of a stopped run, replaced (--resume would use it)\n", path);
  }
  nlohmann::json run = calib::run_description(engine, o.calibrate);
  run["text"] = std::move(text);
  return calib::Checkpoint::open(path, run, o.resume);
}

/// Sets the calibration's texts and checkpoint; returns the tokens to learn from.
Result<std::vector<int32_t>> prepare(CalibrateCommand& o, const engine::Engine& engine,
                                     const std::string& path, Stages& stages) {
  LK_ASSIGN(const models::Tokenizer tokenizer, models::tokenizer_for_model(engine.model().path));
  calib::CalibrateOptions& c = o.calibrate;
  if (!o.text.empty()) {
    const int64_t n = o.n_tokens > 0 ? o.n_tokens : 16384;
    LK_ASSIGN(TextSplit texts, split_text(tokenizer, o.text, n, c.n_chunk, kHeldBackChunks));
    c.held_back = std::move(texts.held_back);
    const nlohmann::json text = {{"learn", short_hash(texts.learn)},
                                 {"held back", short_hash(c.held_back)}};
    LK_ASSIGN(c.checkpoint, open_checkpoint(path, o, engine, text));
    return std::move(texts.learn);
  }
  const int64_t n = std::max<int64_t>(o.n_tokens > 0 ? o.n_tokens : 8192, c.n_chunk);
  LK_ASSIGN(c.checkpoint, open_checkpoint(path, o, engine, {{"own samples", n}}));
  LK_ASSIGN(std::vector<int32_t> all,
            own_samples(engine, tokenizer, {n + kHeldBackSamples * c.n_chunk, c.n_chunk, c.seed},
                        c.checkpoint, [&](int64_t done, int64_t total) {
                          return stages.update("writing samples", done, total);
                        }));
  c.held_back.assign(all.end() - kHeldBackSamples * c.n_chunk, all.end());
  all.resize(all.size() - c.held_back.size());
  return all;
}

/// The whole of the long work; what it had done when it was stopped is kept beside `path`.
Result<calib::CalibrateResult> learn(CalibrateCommand& o, const engine::Engine& engine,
                                     const std::string& path) {
  watch_for_stop();
  Stages stages(o.common.quiet);
  o.calibrate.progress = [&](const char* stage, int64_t done, int64_t total) {
    return stages.update(stage, done, total);
  };
  o.calibrate.on_loss = [&](double loss) { stages.loss(loss); };
  const std::string partial = path + ".partial";
  const auto with_hint = [&](Error error) {
    if (error.code == ErrorCode::kCancelled) {
      error.what += "; the same command with --resume goes on from " + partial;
    }
    return error;
  };
  auto tokens = prepare(o, engine, partial, stages);
  if (!tokens.ok()) return with_hint(tokens.error());
  auto result = calib::calibrate(engine, *tokens, o.calibrate);
  if (!result.ok()) return with_hint(result.error());
  return result;
}

Status save(const std::string& path, const calib::CalibrateResult& result,
            const CalibrateCommand& o, const engine::Engine& engine) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  LK_RETURN_IF_ERROR(models::write_basis(path, result.file));
  return write_report(path, result, {o.text, engine.model().path});
}

std::string prediction_text(const calib::CalibrateResult& result) {
  if (result.file.profile.measured_kld.empty()) return "";
  return fmt::format("predicted divergence {:.5f}, ", calib::predicted_kld(result.file));
}

Status run(CalibrateCommand o) {
  const auto start = std::chrono::steady_clock::now();
  LK_ASSIGN(const std::string model_path, resolve_model(o.common));
  LK_ASSIGN(const std::unique_ptr<engine::Engine> engine, load_engine(o.common));
  if (o.calibrate.n_positions == 0) o.calibrate.n_positions = calib::CalibrateOptions{}.n_positions;
  if (o.common.n_sinks >= 0) o.calibrate.n_sinks = o.common.n_sinks;
  if (o.common.n_window >= 0) o.calibrate.window = o.common.n_window;
  LK_RETURN_IF_ERROR(complete_options(engine->config(), o));
  o.calibrate.n_threads = engine->n_threads();
  if (o.sweep) return run_sweep(o, *engine, model_path);
  const std::string path = o.out.empty() ? default_basis_path(engine->model()) : o.out;
  LK_ASSIGN(const calib::CalibrateResult result, learn(o, *engine, path));
  LK_RETURN_IF_ERROR(save(path, result, o, *engine));
  o.calibrate.checkpoint.remove();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  nlohmann::json summary = report_fields(result, {o.text, model_path});
  summary["path"] = path;
  summary["seconds"] = elapsed.count();
  if (o.common.json()) {
    summary.erase("layers");
    std::cout << summary.dump() << '\n';
  } else {
    std::cout << path << '\n';
    fmt::print(stderr,
               "{} tokens, {:.3f} bits/element, {:.0f} bytes/token, {}{:.1f} s; report: {}.html\n",
               result.file.n_tokens, result.file.bits_per_element,
               summary["kv_bytes_per_token"].get<double>(), prediction_text(result),
               elapsed.count(), path);
  }
  return {};
}

}  // namespace

void add_calibrate_command(CLI::App& program, Status& status) {
  auto o = std::make_shared<CalibrateCommand>();
  CLI::App* command =
      program.add_subcommand("calibrate", "Learn a latent code for a model's KV cache");
  add_calibrate_options(*command, *o);
  command->callback([o, &status] { status = run(*o); });
}

}  // namespace lowkey::apps
