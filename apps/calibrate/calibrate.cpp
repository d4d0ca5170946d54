// `lowkey calibrate`: learns how each layer's keys and values are best coded.
#include "calib/calibrate.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/calibrate/report.h"
#include "apps/calibrate/text.h"
#include "apps/commands.h"
#include "apps/common/options.h"
#include "apps/console/progress.h"
#include "apps/console/stop.h"

namespace lowkey::apps {

namespace {

struct Options {
  CommonOptions common;
  calib::CalibrateOptions calibrate;
  std::string text, out;
  int64_t n_tokens = 0;
  double kv_bytes_per_token = 0;
};

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
    return stage == "texts to learn from" ? "texts" : "tokens";
  }

  bool quiet_;
  std::string stage_;
  std::optional<Progress> bar_;
};

Result<std::vector<int32_t>> tokens_of(const Options& o, const engine::Engine& engine,
                                       const std::string& model_path, Stages& stages) {
  LK_ASSIGN(const models::Tokenizer tokenizer, models::tokenizer_for_model(model_path));
  if (!o.text.empty()) {
    const int64_t n = o.n_tokens > 0 ? o.n_tokens : 16384;
    return text_tokens(tokenizer, o.text, n, o.calibrate.n_chunk);
  }
  const int64_t n = o.n_tokens > 0 ? o.n_tokens : 4096;
  return own_samples(
      engine, tokenizer, n, o.calibrate.n_chunk, o.calibrate.seed,
      [&](int64_t done, int64_t total) { return stages.update("writing samples", done, total); });
}

Status save(const std::string& path, const calib::CalibrateResult& result, const Options& o,
            const engine::Engine& engine) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  LK_RETURN_IF_ERROR(models::write_basis(path, result.file));
  return write_report(path, result, {o.text, engine.model().path});
}

Status run(Options o) {
  const auto start = std::chrono::steady_clock::now();
  LK_ASSIGN(const std::string model_path, resolve_model(o.common));
  LK_ASSIGN(const std::unique_ptr<engine::Engine> engine, load_engine(o.common));
  const models::ModelConfig& config = engine->config();
  const double n_elements = 2.0 * config.n_layers * config.n_kv_heads * config.head_dim;
  if (o.calibrate.n_positions == 0) o.calibrate.n_positions = calib::CalibrateOptions{}.n_positions;
  if (o.kv_bytes_per_token > 0) o.calibrate.bits = 8.0 * o.kv_bytes_per_token / n_elements;
  o.calibrate.n_threads = engine->n_threads();
  if (o.common.n_sinks >= 0) o.calibrate.n_sinks = o.common.n_sinks;
  if (o.common.n_window >= 0) o.calibrate.window = o.common.n_window;
  watch_for_stop();
  Stages stages(o.common.quiet);
  LK_ASSIGN(const std::vector<int32_t> tokens, tokens_of(o, *engine, model_path, stages));
  o.calibrate.progress = [&](const char* stage, int64_t done, int64_t total) {
    return stages.update(stage, done, total);
  };
  LK_ASSIGN(const calib::CalibrateResult result, calib::calibrate(*engine, tokens, o.calibrate));
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
               "{} tokens, {:.3f} bits/element, {:.0f} bytes/token, {:.1f} s; report: {}.html\n",
               tokens.size(), result.file.bits_per_element,
               result.file.bits_per_element * n_elements / 8, elapsed.count(), path);
  }
  return {};
}

}  // namespace

void add_calibrate_command(CLI::App& program, Status& status) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("calibrate", "Learn a latent code for a model's KV cache");
  CommonOptions& common = o->common;
  add_model_option(*command, common);
  add_engine_options(*command, common);
  add_exact_options(*command, common);
  add_cache_option(*command, common);
  command->add_option("-b,--basis", common.basis);
  without_effect(*command, {"--cache", "--basis", "--low-memory", "--outliers", "--kv-budget"});
  command->add_option("--output,--format", common.output, "Format of stdout")
      ->check(CLI::IsMember({"text", "json"}));
  command->add_option("--text", o->text, "Text to learn from; without it the model writes its own");
  command->add_option("--tokens", o->n_tokens, "How many of its tokens")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--method", o->calibrate.method,
                   "k-svd, eigen, kq-svd, fisher, learned, stief, hadamard")
      ->capture_default_str();
  command->add_option("--space", o->calibrate.space, "post-rope or pre-rope")
      ->capture_default_str();
  command
      ->add_option("--centring", o->calibrate.centring,
                   "Keys: none, mean, rotary; default: rotary where it can be decoded")
      ->capture_default_str();
  command->add_flag("--joint", o->calibrate.joint, "One basis over the KV heads of a layer");
  command
      ->add_option("-c,--context", o->calibrate.n_positions,
                   "Positions that the keys' code must fit: the longest context to be used")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  auto* bits =
      command->add_option("--bits", o->calibrate.bits, "Mean bits per element, all counted")
          ->capture_default_str();
  auto* bytes =
      command->add_option("--kv-bytes-per-token", o->kv_bytes_per_token, "The same as bytes");
  auto* keep =
      command->add_option("--keep", o->calibrate.keep, "Rank only (bf16): share of coordinates");
  bits->excludes(bytes)->excludes(keep);
  bytes->excludes(keep);
  command->add_option("--rank-k", o->calibrate.rank_k, "Rank only (bf16): coordinates of a key");
  command->add_option("--rank-v", o->calibrate.rank_v, "Rank only (bf16): coordinates of a value");
  command->add_option("--seed", o->calibrate.seed, "Of the model's own samples");
  command->add_option("-o,--out", o->out, "The .lkb file; default: in the cache folder");
  command->callback([o, &status] { status = run(*o); });
}

}  // namespace lowkey::apps
