// Between a basis file and the bases that are being learned.
#pragma once

#include "calib/learn/layer_code.h"
#include "calib/problem.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

/// What the bases of a layer's heads solve.
struct LayerProblems {
  std::vector<Problem> k, v;
  bool turned = false;  // keys' means turn and are no part of the code
};

/// Those of `layer`, which says which means of fast pairs stay in the keys.
Result<LayerProblems> problems_of(const LayerStatistics& statistics, const ProblemOptions& options,
                                  const models::LayerBasis& layer);

/// How the keys of these problems are coded.
KeyFrame key_frame(const LayerProblems& problems, const ProblemOptions& options);

LayerBases from_file(const models::LayerBasis& layer, const LayerProblems& problems);

/// Back into the file, with latents of mean variance 1 (full latents are kept as f16). Widths and
/// the order of coordinates stay; steps are for whoever sets widths.
void to_file(const LayerBases& bases, const LayerProblems& problems, models::LayerBasis& layer);
void to_file(const LearnedBasis& basis, const Problem& problem, models::HeadBasis& head);

/// Lets a shared basis have one rank: coordinates of all heads matter as they do on average.
void share_importance(models::SideBasis& side);

LayerWidths widths_of(const models::LayerBasis& layer);

}  // namespace lowkey::calib
