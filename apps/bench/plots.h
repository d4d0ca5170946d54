// Plots of a benchmark run: speed against depth, bandwidth against working set, throughput against
// the number of sequences that a memory budget holds.
#pragma once

#include <string>
#include <vector>

#include "apps/bench/forecast.h"
#include "apps/bench/options.h"
#include "apps/bench/rows.h"

namespace lowkey::apps {

/// A cache whose speed can be predicted at any depth.
struct PlotLane {
  std::string name;
  Subject subject;
  engine::Machine machine;  // no curve: no prediction
};

struct BenchPlotData {
  std::vector<PlotLane> lanes;
  std::vector<Row> records;  // of a run, peers included
};

/// Writes depth.svg, roofline.svg and batch.svg into the folder of --svg.
Status write_bench_plots(const BenchOptions& options, const BenchPlotData& data);

}  // namespace lowkey::apps
