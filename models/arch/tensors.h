// Every tensor that a configuration calls for, with its two names and its place in a Model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/model.h"

namespace lowkey::models::arch {

/// How a container names tensors.
enum class Naming { kGguf, kHuggingFace };

struct ExpectedTensor {
  std::string name;
  int64_t n_rows = 0;  // 1 for a vector
  int64_t n_cols = 0;
  TensorView* place = nullptr;
};

/// The tensors of `model.config`; places point into `model`, whose layers must be sized.
std::vector<ExpectedTensor> expected_tensors(Model& model, Naming naming);

/// True for tensors that files carry and no computation needs (tables that follow from the
/// configuration, an output matrix that is tied to the embedding).
bool is_redundant_tensor(const std::string& name, const ModelConfig& config);

}  // namespace lowkey::models::arch
