// `lowkey models get NAME`, `lowkey models list`.
#include <spdlog/spdlog.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/models_get/models_get.h"

namespace lowkey::apps {

namespace {

struct Options {
  std::string name;
  std::string output = "text";
  bool json() const { return output == "json"; }
};

Status get(const Options& o) {
  LK_ASSIGN(const KnownModel model, find_known_model(o.name));
  GetOptions options;
  options.progress = [](std::string_view line) { std::cerr << line << '\n'; };
  LK_ASSIGN(const std::string path, get_model(model, options));
  if (o.json()) {
    std::cout << nlohmann::json{{"name", o.name}, {"path", path}, {"n_bytes", model.n_bytes}}.dump()
              << '\n';
  } else {
    std::cout << path << '\n';
  }
  return {};
}

void list(const Options& o) {
  nlohmann::json all = nlohmann::json::array();
  for (const KnownModel& model : known_models()) {
    all.push_back({{"name", model.name}, {"file", model.file}, {"n_bytes", model.n_bytes}});
  }
  if (o.json()) {
    std::cout << all.dump() << '\n';
    return;
  }
  for (const KnownModel& model : known_models()) {
    std::cout << model.name << '\t' << model.file << '\t' << model.n_bytes << '\n';
  }
}

}  // namespace

void add_models_command(CLI::App& program, Status& status) {
  CLI::App* models = program.add_subcommand("models", "Known models and their files");
  models->require_subcommand(1);
  auto options = std::make_shared<Options>();
  CLI::App* get_command =
      models->add_subcommand("get", "Fetch a model into the cache folder; prints the file's path");
  get_command->add_option("name", options->name, "A name that `lowkey models list` shows")
      ->required();
  get_command->callback([options, &status] { status = get(*options); });
  CLI::App* list_command =
      models->add_subcommand("list", "Names, files and sizes of the known models");
  list_command->callback([options] { list(*options); });
  for (CLI::App* command : {get_command, list_command}) {
    command->add_option("-o,--output", options->output, "Format of stdout")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
  }
}

}  // namespace lowkey::apps
