// `lowkey models get NAME`, `lowkey models list`.
#include <spdlog/spdlog.h>

#include <iostream>
#include <memory>

#include "apps/commands.h"
#include "apps/models_get/models_get.h"

namespace lowkey::apps {

namespace {

Status get(const std::string& name) {
  LK_ASSIGN(const KnownModel model, find_known_model(name));
  GetOptions options;
  options.progress = [](std::string_view line) { std::cerr << line << '\n'; };
  LK_ASSIGN(const std::string path, get_model(model, options));
  std::cout << path << '\n';
  return {};
}

void list() {
  for (const KnownModel& model : known_models()) {
    std::cout << model.name << '\t' << model.file << '\t' << model.n_bytes << '\n';
  }
}

}  // namespace

void add_models_command(CLI::App& program, Status& status) {
  CLI::App* models = program.add_subcommand("models", "Known models and their files");
  models->require_subcommand(1);
  auto name = std::make_shared<std::string>();
  CLI::App* get_command =
      models->add_subcommand("get", "Fetch a model into the cache folder; prints the file's path");
  get_command->add_option("name", *name, "A name that `lowkey models list` shows")->required();
  get_command->callback([name, &status] { status = get(*name); });
  models->add_subcommand("list", "Names, files and sizes of the known models")->callback(list);
}

}  // namespace lowkey::apps
