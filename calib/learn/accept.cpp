#include "calib/learn/accept.h"

#include <memory>

#include "calib/build.h"

namespace lowkey::calib {

namespace {

using models::BasisFile;

/// The bases of `bases` at the widths of `widths`, with steps that fit.
BasisFile at_widths(const BasisFile& bases, const BasisFile& widths) {
  BasisFile out = bases;
  for (size_t l = 0; l < out.layers.size(); ++l) {
    set_side_widths(out.layers[l].k, side_widths(widths.layers[l].k));
    set_side_widths(out.layers[l].v, side_widths(widths.layers[l].v));
  }
  return out;
}

}  // namespace

Result<Acceptance> accept_learned(const engine::Engine& engine, std::span<const int32_t> text,
                                  const ProbeOptions& options, std::span<const BasisFile> plans,
                                  BasisFile& learned,
                                  const std::function<bool(int64_t, int64_t)>& progress) {
  std::vector<std::shared_ptr<const BasisFile>> files;
  for (const BasisFile& plan : plans) {
    files.push_back(std::make_shared<const BasisFile>(plan));
    files.push_back(std::make_shared<const BasisFile>(at_widths(learned, plan)));
  }
  LK_ASSIGN(const std::vector<Divergence> klds,
            measure_divergences(engine, text, files, options, progress));
  Acceptance result;
  double log_ratio = 0;
  for (size_t p = 0; p < plans.size(); ++p) {
    const Divergence &before = klds[2 * p], &after = klds[2 * p + 1];
    result.kld_before += before.mean / double(plans.size());
    result.kld_after += after.mean / double(plans.size());
    log_ratio += after.log_mean - before.log_mean;
  }
  result.kept = log_ratio < 0;
  if (!result.kept) learned = at_widths(plans[0], learned);
  return result;
}

}  // namespace lowkey::calib
