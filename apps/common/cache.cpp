// From options to a cache.
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "apps/common/options.h"
#include "apps/models_get/models_get.h"
#include "calib/allocate/budget.h"
#include "calib/build.h"
#include "calib/plan.h"
#include "calib/simulate.h"
#include "engine/kv/load_basis.h"
#include "models/model_hash.h"

namespace lowkey::apps {

namespace {

/// Another budget than the file's own, by the file's own policy.
Status spend_on(const CommonOptions& o, models::BasisFile& file) {
  if (o.bits <= 0 && o.budget.empty()) return {};
  calib::Budget budget{o.bits};
  if (!o.budget.empty()) {
    LK_ASSIGN(budget, calib::parse_budget(o.budget));
  }
  const int n_exact =
      (o.n_sinks < 0 ? kSinks : o.n_sinks) + (o.n_window < 0 ? kWindow : o.n_window);
  LK_ASSIGN(const int64_t bits,
            calib::budget_bits(budget, calib::elements_per_token(file), n_exact));
  return calib::plan_widths(file, calib::width_rules(calib::is_rank_only(file)), bits);
}

Result<engine::CacheSpec> latent_spec(const CommonOptions& o, const engine::Engine& engine) {
  const std::string path = o.basis == "auto" ? default_basis_path(engine.model()) : o.basis;
  if (o.basis == "auto" && !std::filesystem::exists(path)) {
    return make_error(ErrorCode::kNotFound, "-b auto",
                      "expected a basis at " + path + ", found none; `lowkey calibrate -m " +
                          o.model + "` makes it");
  }
  LK_ASSIGN(models::BasisFile file, models::read_basis(path));
  LK_RETURN_IF_ERROR(models::match_model(file, models::model_hash(engine.model()), path));
  LK_RETURN_IF_ERROR(spend_on(o, file));
  LK_ASSIGN(engine::CacheSpec spec, latent_cache(std::move(file), engine, path));
  spec.n_sinks = kSinks;
  spec.n_window = kWindow;
  return spec;
}

}  // namespace

Result<engine::CacheSpec> latent_cache(models::BasisFile file, const engine::Engine& engine,
                                       const std::string& name) {
  engine::CacheSpec spec;
  auto code = engine::latent_code(file, engine.config());
  if (code.ok()) {
    spec.latent = std::move(code).value();
  } else {
    spdlog::warn("{}: no fused kernel ({}); the code is simulated on f32 tiles", name,
                 code.error().what);
    spec = calib::simulated_cache(engine, std::make_shared<models::BasisFile>(std::move(file)));
  }
  return spec;
}

std::string default_basis_path(const models::Model& model) {
  return default_cache_folder() + "/bases/" + models::model_hash(model).substr(0, 16) + ".lkb";
}

void offer_basis(const CommonOptions& o, const engine::Engine& engine) {
  if (o.quiet || o.cache_given || !o.basis.empty()) return;
  const std::string path = default_basis_path(engine.model());
  const auto file = models::read_basis(path);
  const auto full = engine::parse_cache_type(o.cache);
  if (!full.ok()) return;
  const auto cache = engine::KvCache::create(engine.config(), *full, 1, 1);
  if (!cache.ok()) return;
  const double full_bytes = cache->layout().coded_bytes_per_token;
  if (file.ok()) {
    const double n_elements = double(cache->layout().n_elements);
    fmt::print(stderr, "-b auto would keep {:.0f} instead of {:.0f} KV bytes per token: {}\n",
               file->bits_per_element * n_elements / 8, full_bytes, path);
  } else {
    fmt::print(stderr,
               "{:.0f} KV bytes per token; `lowkey calibrate -m {}` makes a smaller cache, which "
               "-b auto uses\n",
               full_bytes, o.model);
  }
}

Result<engine::CacheSpec> cache_spec(const CommonOptions& o, const engine::Engine& engine) {
  auto made = o.basis.empty() ? engine::parse_cache_type(o.cache) : latent_spec(o, engine);
  if (!made.ok()) return made.error();
  if ((o.bits > 0 || !o.budget.empty()) && o.basis.empty()) {
    return make_error(ErrorCode::kInvalidArgument, o.bits > 0 ? "--bits" : "--budget",
                      "expected a basis (-b) with it, found none");
  }
  engine::CacheSpec spec = std::move(made).value();
  if (o.n_sinks >= 0) spec.n_sinks = o.n_sinks;
  if (o.n_window >= 0) spec.n_window = o.n_window;
  spec.outliers = o.outliers;
  spec.lazy_bytes = o.lazy_bytes;
  if (o.adapt || o.adapt_moments) {
    spec.adapt = o.adapt_options;
    spec.adapt.turns = o.adapt;
  }
  return spec;
}

}  // namespace lowkey::apps
