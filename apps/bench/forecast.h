// What the model of the memory system says about a benchmark test before it runs.
#pragma once

#include "apps/bench/measure.h"
#include "engine/traffic/machine.h"

namespace lowkey::apps {

struct Forecast {
  double seconds = 0;         // predicted
  double memory_seconds = 0;  // of the bytes alone: the roof
  double bytes = 0;           // moved over the whole test
  double step_bytes = 0;      // of its last step: the working set
};

/// Model, weights and cache of a forecast.
struct Subject {
  models::ModelConfig config;
  engine::WeightTraffic weights;
  engine::CacheTraffic cache;
};

/// Prompts in blocks of 512, then step by step at the depth in the middle of what is generated.
Forecast forecast(const engine::Machine& machine, const Subject& subject, const BenchTest& test);

}  // namespace lowkey::apps
