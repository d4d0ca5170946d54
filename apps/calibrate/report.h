// What a calibration chose and what error it predicts: JSON, and one page with plots.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"
#include "calib/calibrate.h"

namespace lowkey::apps {

struct ReportSource {
  std::string text;   // path, or empty: the model's own samples
  std::string model;  // path
};

nlohmann::json report_fields(const calib::CalibrateResult& result, const ReportSource& source);

/// Writes PATH.json and PATH.html beside the basis file PATH.
Status write_report(const std::string& path, const calib::CalibrateResult& result,
                    const ReportSource& source);

}  // namespace lowkey::apps
