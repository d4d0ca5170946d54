// `lowkey inspect`: what a model file holds.
#include <spdlog/fmt/fmt.h>

#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/common/options.h"
#include "apps/common/report.h"
#include "models/model.h"

namespace lowkey::apps {

namespace {

struct Options {
  CommonOptions common;
  bool tensors = false;
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
  const int64_t elements = int64_t{2} * c.n_layers * c.n_kv_heads * c.head_dim;
  json["kv_elements_per_token"] = elements;
  json["kv_bytes_per_token_f16"] = 2 * elements;
  return json;
}

Status run(const Options& o) {
  LK_ASSIGN(const std::string path, resolve_model(o.common));
  LK_ASSIGN(const models::Model model, models::load_model(path));
  const nlohmann::json json = describe(model, o.tensors);
  if (o.common.json()) {
    std::cout << json.dump() << '\n';
    return {};
  }
  for (const auto& [key, value] : json.items()) {
    if (key != "tensors") fmt::print("{:24} {}\n", key, value.dump());
  }
  if (!o.tensors) return {};
  for (const auto& tensor : json["tensors"]) {
    fmt::print("{:40} {:6} {}\n", tensor["name"].get<std::string>(),
               tensor["type"].get<std::string>(), tensor["shape"].dump());
  }
  return {};
}

}  // namespace

void add_inspect_command(CLI::App& program, Status& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("inspect", "Show what a file holds");
  add_common_options(*command, options->common, Uses::kModelOnly);
  command->add_flag("--tensors", options->tensors, "List every tensor");
  command->callback([options, &status] { status = run(*options); });
}

}  // namespace lowkey::apps
