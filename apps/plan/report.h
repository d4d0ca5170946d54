// A plan as text, JSON and a plot.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "calib/plan.h"

namespace lowkey::apps {

/// `file` holds the planned widths; `front` is what other budgets would give.
struct PlanReport {
  models::BasisFile file;
  std::vector<calib::FrontPoint> front;
};

std::string plan_text(const PlanReport& report);
nlohmann::json plan_json(const PlanReport& report);
std::string plan_svg(const PlanReport& report);

}  // namespace lowkey::apps
