#include "apps/bench/plots.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "apps/bench/shapes.h"
#include "apps/plot/axis.h"
#include "apps/plot/chart.h"
#include "base/file_map.h"

namespace lowkey::apps {

namespace {

/// Number of a cache's colour: measured and predicted look alike.
int colour_of(const BenchPlotData& data, const std::string& cache) {
  for (size_t i = 0; i < data.lanes.size(); ++i) {
    if (data.lanes[i].name == cache) return int(i);
  }
  return -1;
}

bool predictable(const PlotLane& lane) { return !lane.machine.curve.empty(); }

double predicted_ts(const PlotLane& lane, int64_t depth, int64_t batch) {
  const BenchTest test{0, 1, depth, batch};
  return double(batch) / forecast(lane.machine, lane.subject, test).seconds;
}

bool decodes_only(const Row& row) {
  return row.value("n_gen", 0) > 0 && row.value("n_prompt", 0) == 0;
}

/// Decode records by cache: x of the record, and its speed.
template <class X>
std::vector<Series> measured(const BenchPlotData& data, X x_of) {
  std::map<std::string, Series> by_cache;
  for (const Row& row : data.records) {
    double x = 0;
    if (!decodes_only(row) || !x_of(row, x)) continue;
    const std::string ours = row.value("cache", std::string());
    const std::string name =
        row.value("backend", std::string()) == "lowkey" ? ours : "llama.cpp " + ours;
    Series& series = by_cache[name];
    series.name = name;
    if (name == ours) series.colour = colour_of(data, ours);
    series.points.push_back({x, row.value("median_ts", 0.0)});
  }
  std::vector<Series> all;
  for (auto& [name, series] : by_cache) {
    std::sort(series.points.begin(), series.points.end());
    all.push_back(std::move(series));
  }
  return all;
}

Series predicted_series(const BenchPlotData& data, const PlotLane& lane) {
  Series series{lane.name + " predicted", {}};
  series.dashed = !data.records.empty();
  series.colour = colour_of(data, lane.name);
  return series;
}

void append(std::vector<Series>& all, std::vector<Series> more) {
  for (Series& series : more) all.push_back(std::move(series));
}

LineChart depth_chart(const BenchOptions& o, const BenchPlotData& data) {
  LineChart chart;
  chart.title = "Decode speed against depth";
  chart.x_label = "tokens in the cache";
  chart.y_label = "tokens per second";
  chart.y_from_zero = true;
  append(chart.series, measured(data, [](const Row& row, double& x) {
           x = row.value("n_depth", 0.0);
           return row.value("batch", 1) == 1;
         }));
  int64_t deepest = 1;
  for (const int64_t depth : o.n_depth) deepest = std::max(deepest, depth);
  for (const PlotLane& lane : data.lanes) {
    if (!predictable(lane)) continue;
    Series series = predicted_series(data, lane);
    constexpr int kPoints = 32;  // more than are marked
    for (int i = 0; i <= kPoints; ++i) {
      const int64_t depth = deepest * i / kPoints;
      series.points.push_back({double(depth), predicted_ts(lane, depth, 1)});
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

/// A machine given by numbers reads everything at one speed: drawn over the steps' bytes.
std::vector<Series> bandwidth_series(const engine::Machine& machine, double largest) {
  Series read{"read", {}}, triad{"triad", {}};
  for (const engine::BandwidthPoint& point : machine.curve) {
    read.points.push_back({point.working_set * 1e-6, point.read * 1e-9});
    triad.points.push_back({point.working_set * 1e-6, point.triad * 1e-9});
  }
  read.colour = 8;
  triad.colour = 5;
  if (machine.curve.size() > 1) return {read, triad};
  const double gb_s = machine.curve.empty() ? 0.0 : machine.curve.front().read * 1e-9;
  read.points = {{largest * 1e-7, gb_s}, {largest * 2e-6, gb_s}};
  return {read};
}

/// Bytes of a decode step, and how fast the forecast moves them.
Series predicted_steps(const BenchOptions& o, const BenchPlotData& data, const PlotLane& lane) {
  Series series = predicted_series(data, lane);
  series.line = series.dashed = false;
  for (const int64_t depth : o.n_depth) {
    const Forecast f = forecast(lane.machine, lane.subject, {0, 1, depth, 1});
    series.points.push_back({f.step_bytes * 1e-6, f.bytes / f.seconds * 1e-9});
  }
  return series;
}

LineChart roofline_chart(const BenchOptions& o, const BenchPlotData& data) {
  LineChart chart;
  chart.title = "Bytes per second against the working set of a step";
  chart.x_label = "working set, MB";
  chart.y_label = "GB/s";
  chart.log_x = chart.log_y = true;
  std::map<std::string, Series> by_cache;
  for (const Row& row : data.records) {
    const auto bytes = row.find("step_bytes"), speed = row.find("dram_gb_s");
    if (!decodes_only(row) || bytes == row.end() || !bytes->is_number()) continue;
    const std::string cache = row.value("cache", std::string());
    Series& series = by_cache[cache];
    series.name = "decode, " + cache;
    series.line = false;
    series.colour = colour_of(data, cache);
    series.points.push_back({bytes->get<double>() * 1e-6, speed->get<double>()});
  }
  for (auto& [name, series] : by_cache) chart.series.push_back(std::move(series));
  double largest = 1e6;
  for (const PlotLane& lane : data.lanes) {
    if (!predictable(lane) || !data.records.empty()) continue;
    chart.series.push_back(predicted_steps(o, data, lane));
    for (const auto& [mb, gb_s] : chart.series.back().points) largest = std::max(largest, mb * 1e6);
  }
  if (!data.lanes.empty()) {
    const bool given = data.lanes.front().machine.curve.size() < 2;
    chart.log_y = !given;
    chart.y_from_zero = given;
    append(chart.series, bandwidth_series(data.lanes.front().machine, largest));
  }
  return chart;
}

/// Sequences of a depth that fit beside the weights.
int64_t fitting(const PlotLane& lane, double memory, int64_t depth) {
  const double left = memory - lane.subject.weights.bytes();
  const double each = double(lane.subject.cache.layout.total_bytes(depth + 1));
  return left < each ? 0 : int64_t(std::min(left / each, 4096.0));
}

LineChart batch_chart(double memory, int64_t depth, const BenchPlotData& data) {
  LineChart chart;
  chart.title =
      "Sequences of " + tick_label(double(depth)) + " tokens that fit, and how fast they go";
  chart.x_label = "sequences decoded together";
  chart.y_label = "tokens per second, all together";
  chart.log_x = true;
  chart.y_from_zero = true;
  append(chart.series, measured(data, [&](const Row& row, double& x) {
           x = row.value("batch", 1.0);
           return row.value("n_depth", int64_t{0}) == depth;
         }));
  for (const PlotLane& lane : data.lanes) {
    const int64_t most = fitting(lane, memory, depth);
    if (!predictable(lane) || most < 1) continue;
    Series series = predicted_series(data, lane);
    for (int64_t n = 1; n < most; n = std::max(n + 1, n * 5 / 4)) {
      series.points.push_back({double(n), predicted_ts(lane, depth, n)});
    }
    series.points.push_back({double(most), predicted_ts(lane, depth, most)});
    chart.series.push_back(std::move(series));
  }
  return chart;
}

/// Of --memory; by default eight f16 sequences of the depth beside the weights.
Result<double> memory_budget(const BenchOptions& o, const BenchPlotData& data, int64_t depth) {
  if (!o.memory.empty()) return parse_bytes("--memory", o.memory);
  if (data.lanes.empty()) return 0.0;
  const Subject& subject = data.lanes.front().subject;
  const double f16 = 2.0 * double(subject.cache.layout.n_elements);
  return subject.weights.bytes() + 8 * f16 * double(depth + 1);
}

}  // namespace

Status write_bench_plots(const BenchOptions& o, const BenchPlotData& data) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::create_directories(o.svg, error);
  if (error) return make_error(ErrorCode::kIo, o.svg, "cannot make the folder: " + error.message());
  const int64_t depth =
      o.n_depth.empty() ? 0 : *std::max_element(o.n_depth.begin(), o.n_depth.end());
  LK_ASSIGN(const double memory, memory_budget(o, data, depth));
  const std::pair<const char*, LineChart> charts[] = {
      {"depth.svg", depth_chart(o, data)},
      {"roofline.svg", roofline_chart(o, data)},
      {"batch.svg", batch_chart(memory, depth, data)}};
  for (const auto& [name, chart] : charts) {
    const std::string path = (fs::path(o.svg) / name).string();
    LK_RETURN_IF_ERROR(write_file_atomically(path, to_svg(chart)));
  }
  return {};
}

}  // namespace lowkey::apps
