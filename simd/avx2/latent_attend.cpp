#include "simd/avx2/latent_few.h"
#include "simd/avx2/ops.h"

namespace lowkey::simd::avx2 {
namespace {

/// The set's ops with scores of few queries of its own.
struct FewLatentOps : LatentOps {
  template <int kQueries>
  static void score_few(const wide::WidthRuns& runs, const wide::PartRun& keys,
                        const wide::ScoreTask& task, wide::Ahead& ahead) {
    FewScores<kQueries>(keys, task).run(runs, ahead);
  }
};

}  // namespace

void latent_attend(const LatentRuns& tiles, const QueryBlock& queries, const AttendState& state) {
  wide::latent_attend<FewLatentOps>(tiles, queries, state);
}

}  // namespace lowkey::simd::avx2
