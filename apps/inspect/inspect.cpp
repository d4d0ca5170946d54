// `lowkey inspect`: what a model or basis file holds, and what a cache would cost.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/common/options.h"
#include "apps/inspect/basis.h"
#include "engine/kv/cache.h"
#include "models/model.h"

namespace lowkey::apps {

namespace {

struct Options {
  CommonOptions common;
  bool details = false;
};

std::vector<const models::TensorView*> tensors_of(const models::Model& model) {
  std::vector<const models::TensorView*> all = {&model.token_embd, &model.output_norm};
  if (!model.config.tied_output) all.push_back(&model.output);
  for (const models::LayerTensors& l : model.layers) {
    for (const models::TensorView* t :
         {&l.attn_norm, &l.q, &l.k, &l.v, &l.o, &l.q_bias, &l.k_bias, &l.v_bias, &l.q_norm,
          &l.k_norm, &l.ffn_norm, &l.gate, &l.up, &l.down}) {
      if (t->present()) all.push_back(t);
    }
  }
  return all;
}

nlohmann::json describe(const models::Model& model, bool with_tensors) {
  const models::ModelConfig& c = model.config;
  nlohmann::json json = {{"family", c.family},         {"name", c.name},
                         {"n_layers", c.n_layers},     {"n_embd", c.n_embd},
                         {"n_heads", c.n_heads},       {"n_kv_heads", c.n_kv_heads},
                         {"head_dim", c.head_dim},     {"n_ff", c.n_ff},
                         {"n_vocab", c.n_vocab},       {"n_context", c.n_context},
                         {"rope_theta", c.rope.theta}, {"tied_output", c.tied_output},
                         {"qkv_bias", c.qkv_bias},     {"qk_norm", c.qk_norm}};
  std::map<std::string, int64_t> bytes_by_type;
  int64_t n_parameters = 0;
  for (const models::TensorView* t : tensors_of(model)) {
    const std::string type(dtype_info(t->dtype).name);
    bytes_by_type[type] += int64_t(t->bytes.size());
    n_parameters += t->n_rows * t->n_cols;
    if (!with_tensors) continue;
    json["tensors"].push_back(
        {{"name", t->name}, {"type", type}, {"shape", {t->n_rows, t->n_cols}}});
  }
  json["n_parameters"] = n_parameters;
  json["bytes_by_type"] = bytes_by_type;
  return json;
}

/// What the cache of -c, --cache, --sinks and --window costs with this model.
Status describe_cache(const Options& o, const models::ModelConfig& config, nlohmann::json& json) {
  LK_ASSIGN(engine::CacheSpec spec, engine::parse_cache_type(o.common.cache));
  spec.n_sinks = std::max(o.common.n_sinks, 0);
  spec.n_window = std::max(o.common.n_window, 0);
  const int64_t n = o.common.n_context > 0 ? o.common.n_context : config.n_context;
  LK_ASSIGN(const engine::KvCache cache, engine::KvCache::create(config, spec, n, 1));
  const engine::KvLayout& layout = cache.layout();
  json.update({{"cache", engine::cache_name(spec)},
               {"kv_elements_per_token", layout.n_elements},
               {"kv_bytes_per_token", layout.coded_bytes_per_token},
               {"bits_per_element", layout.bits_per_element()},
               {"kv_bytes_at_context", layout.total_bytes(n)}});
  return {};
}

Result<nlohmann::json> describe_model(const Options& o, const std::string& path) {
  LK_ASSIGN(const models::Model model, models::load_model(path));
  nlohmann::json json = describe(model, o.details);
  LK_RETURN_IF_ERROR(describe_cache(o, model.config, json));
  return json;
}

void print_details(const nlohmann::json& json) {
  for (const auto& tensor : json.value("tensors", nlohmann::json::array())) {
    fmt::print("{:40} {:6} {}\n", tensor["name"].get<std::string>(),
               tensor["type"].get<std::string>(), tensor["shape"].dump());
  }
  int l = 0;
  for (const auto& layer : json.value("layers", nlohmann::json::array())) {
    const auto number = [&](const char* side, const char* key) {
      return layer[side][key].get<double>();
    };
    fmt::print("layer {:3}  k {:.3f} bits, rank {:.1f}  v {:.3f} bits, rank {:.1f}\n", l++,
               number("k", "bits"), number("k", "rank"), number("v", "bits"), number("v", "rank"));
  }
}

Status run(const Options& o) {
  LK_ASSIGN(const std::string path, resolve_model(o.common));
  const bool is_basis = std::filesystem::path(path).extension() == ".lkb";
  LK_ASSIGN(const nlohmann::json json,
            is_basis ? describe_basis(path, o.details) : describe_model(o, path));
  if (o.common.json()) {
    std::cout << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    return {};
  }
  for (const auto& [key, value] : json.items()) {
    if (key == "tensors" || key == "layers") continue;
    const bool is_text = value.is_string();
    fmt::print("{:24} {}\n", key, is_text ? value.get<std::string>() : value.dump());
  }
  print_details(json);
  return {};
}

}  // namespace

void add_inspect_command(CLI::App& program, Status& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("inspect", "Show what a model or basis (.lkb) file holds");
  add_common_options(*command, options->common, Uses::kCache);
  command->add_flag("--tensors", options->details, "List every tensor, or every layer of a basis");
  command->callback([options, &status] { status = run(*options); });
}

}  // namespace lowkey::apps
