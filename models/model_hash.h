// A name for a model by what it computes, cheap enough to ask at every start.
#pragma once

#include <string>

#include "models/model.h"

namespace lowkey::models {

/// SHA-256 (hexadecimal) over the dimensions and, of every weight matrix of the layers, its type,
/// shape and 12 KiB of its bytes (start, middle, end). Fine-tuned or requantised models differ.
std::string model_hash(const Model& model);

}  // namespace lowkey::models
