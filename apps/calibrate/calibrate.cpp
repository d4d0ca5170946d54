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
      stage_ = stage;
    }
    if (bar_) bar_->update(done, total);
    return !stop_requested();
  }

 private:
  static const char* unit_of(const std::string& stage) {
    if (stage == "sensitivity") return "sides";
    if (stage == "learning") return "epochs";
    if (stage == "error surfaces") return "layers";
    if (stage == "interactions") return "sides";
    if (stage.starts_with("checking")) return "runs";
    return stage == "texts to learn from" ? "texts" : "tokens";
  }

  bool quiet_;
  std::string stage_;
  std::optional<Progress> bar_;
};

/// Chunks that nothing is learned from, to check predictions on.
constexpr int kHeldBackChunks = 2, kHeldBackSamples = 1;

Result<TextSplit> texts_of(const CalibrateCommand& o, const engine::Engine& engine,
                           const std::string& model_path, Stages& stages) {
  LK_ASSIGN(const models::Tokenizer tokenizer, models::tokenizer_for_model(model_path));
  const int n_chunk = o.calibrate.n_chunk;
  if (!o.text.empty()) {
    const int64_t n = o.n_tokens > 0 ? o.n_tokens : 16384;
    return split_text(tokenizer, o.text, n, n_chunk, kHeldBackChunks);
  }
  const int64_t n = std::max<int64_t>(o.n_tokens > 0 ? o.n_tokens : 8192, n_chunk);
  LK_ASSIGN(std::vector<int32_t> all,
            own_samples(engine, tokenizer, n + kHeldBackSamples * n_chunk, n_chunk,
                        o.calibrate.seed, [&](int64_t done, int64_t total) {
                          return stages.update("writing samples", done, total);
                        }));
  const auto split = all.end() - kHeldBackSamples * n_chunk;
  return TextSplit{{all.begin(), split}, {split, all.end()}};
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
  watch_for_stop();
  Stages stages(o.common.quiet);
  LK_ASSIGN(TextSplit texts, texts_of(o, *engine, model_path, stages));
  o.calibrate.held_back = std::move(texts.held_back);
  o.calibrate.progress = [&](const char* stage, int64_t done, int64_t total) {
    return stages.update(stage, done, total);
  };
  LK_ASSIGN(const calib::CalibrateResult result,
            calib::calibrate(*engine, texts.learn, o.calibrate));
  const std::string path = o.out.empty() ? default_basis_path(engine->model()) : o.out;
  LK_RETURN_IF_ERROR(save(path, result, o, *engine));
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
               texts.learn.size(), result.file.bits_per_element,
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
