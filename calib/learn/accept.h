// The last word on learned bases: text that nothing was learned from.
#pragma once

#include <functional>
#include <span>

#include "calib/tap/probe.h"
#include "engine/engine.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

struct Acceptance {
  double kld_before = 0, kld_after = 0;  // mean over plans, nats
  bool kept = false;
};

/// Compares `learned`'s bases with those of `plans`, copies of the file that learning began with at
/// several widths, by the KL divergence on `text` at these widths. Unless the mean of its
/// logarithms falls, `learned` gets the bases that learning began with. Widths of `learned` stay.
/// progress: runs done and in all; false stops.
Result<Acceptance> accept_learned(const engine::Engine& engine, std::span<const int32_t> text,
                                  const ProbeOptions& options,
                                  std::span<const models::BasisFile> plans,
                                  models::BasisFile& learned,
                                  const std::function<bool(int64_t, int64_t)>& progress = {});

}  // namespace lowkey::calib
