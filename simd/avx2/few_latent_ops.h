// The set's latent ops with scores of few queries of its own.
#pragma once

#include "simd/avx2/latent_few.h"

namespace lowkey::simd::avx2 {
namespace {

struct FewLatentOps : LatentOps {
  template <int kQueries>
  static void score_few(const wide::WidthRuns& runs, const wide::PartRun& keys,
                        const wide::ScoreTask& task, wide::Ahead& ahead) {
    FewScores<kQueries>(keys, task).run(runs, ahead);
  }
};

}  // namespace
}  // namespace lowkey::simd::avx2
