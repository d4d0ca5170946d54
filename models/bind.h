// From a container's directory to the views of a Model: all mismatches in one error.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"
#include "models/arch/tensors.h"
#include "models/model.h"

namespace lowkey::models {

/// A tensor as found in a file, its container forgotten.
struct FoundTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // outermost first
  std::span<const std::byte> bytes;
};

/// Fills the views of `model` from `found`, as model.config calls for them. One line per tensor
/// that is missing, misshapen, misaligned or not called for, at most 20 and "and N more".
Status bind_tensors(const std::vector<FoundTensor>& found, arch::Naming naming, Model& model);

/// "[3, 4]"
std::string shape_text(std::span<const int64_t> shape);

}  // namespace lowkey::models
