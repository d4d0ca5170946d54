// The last part of a calibration: what each side's error costs, what the surfaces are, and which
// widths the budget buys.
#pragma once

#include <span>

#include "calib/calibrate.h"

namespace lowkey::calib {

/// Whether the options ask for ranks in bf16 instead of mixed widths.
bool is_rank_only(const CalibrateOptions& options);

/// Codes every side alike, measures what each costs alone, and keeps the price per unit of error.
/// `piece`: the checkpoint's name for what was measured.
Status set_sensitivities(const engine::Engine& engine, std::span<const int32_t> tokens,
                         const CalibrateOptions& options, models::BasisFile& file,
                         const char* piece = "sensitivity");

/// Measures surfaces and predictions as far as the options want them, and sets the widths.
Status spend_budget(const engine::Engine& engine, std::span<const int32_t> tokens,
                    const CalibrateOptions& options, CalibrateResult& result);

}  // namespace lowkey::calib
