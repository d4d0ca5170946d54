// Layers whose bases are learned, kept one by one in a checkpoint.
#pragma once

#include <vector>

#include "calib/checkpoint.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

/// Keeps what learning set of layer `l`. May be called for different layers at once.
Status keep_layer(const Checkpoint& checkpoint, size_t l, const models::LayerBasis& layer,
                  double loss);

/// Fills in the layers that the checkpoint has, and their losses, and returns the others.
Result<std::vector<size_t>> read_kept(const Checkpoint& checkpoint, models::BasisFile& file,
                                      std::vector<double>& losses);

}  // namespace lowkey::calib
