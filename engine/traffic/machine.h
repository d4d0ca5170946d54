// What a machine can do: how fast it reads memory, by the size of what is read, and how many
// products it adds up. Measured (bandwidth.h, rates.h) or given by numbers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/traffic/ledger.h"

namespace lowkey::engine {

struct BandwidthPoint {
  double working_set = 0;  // bytes, over all threads
  double read = 0;         // bytes per second
  double triad = 0;        // bytes per second of a = b + s c, writes counted once
};

/// What kernels of weights reach with a block of rows.
struct WeightRate {
  double rows = 1;
  double products = 0;  // per second of all threads, operands in the nearest caches; 0: no limit
  double reach = 1;     // share of the read bandwidth on operands from memory, joins included
};

struct Machine {
  std::string name;
  int n_threads = 1;
  std::vector<BandwidthPoint> curve;  // by rising working set; one point: the same for all
  std::vector<WeightRate> weights;    // by rising rows
  // Products per second of all threads, operands in the nearest caches; 0: no limit known.
  double attend_products = 0;       // one query position per sequence
  double attend_products_many = 0;  // blocks of queries
  double carry_products = 0;
  double attend_efficiency = 1;  // share of the read bandwidth, as WeightRate::reach
  // Seconds beside products and bytes, of every layer:
  double row_seconds = 0;        // norms, rotation and gates of a row, on one thread
  double sequence_seconds = 0;   // what a sequence's attention costs, however short its context
  double neighbour_seconds = 0;  // the same of one among several sequences
  double entry_seconds = 0;      // what every further row of a sequence adds to it

  /// Read bandwidth for a working set, interpolated over the logarithm of its size.
  double bandwidth(double working_set) const;
};

/// A machine as its data sheet describes it.
struct MachineNumbers {
  const char* name;
  const char* description;
  double dram;  // bytes per second, peak
  int n_cores;
  double clock;     // cycles per second
  double products;  // 8-bit products per core and cycle
};

/// laptop, pi5, graviton4, server, gpu.
const std::vector<MachineNumbers>& known_machines();
Result<MachineNumbers> find_machine(std::string_view name);

/// Sustains 80 % of its peak bandwidth, half of its products; weights meet 15-bit activations, two
/// products each, and 16-bit queries and probabilities meet codes at the same price.
Machine machine_of(const MachineNumbers& numbers);

struct Prediction {
  double weight_seconds = 0, attend_seconds = 0, other_seconds = 0;
  double memory_seconds = 0;  // of the bytes alone
  double seconds() const { return weight_seconds + attend_seconds + other_seconds; }
};

/// Weights and attention follow one another; each takes as long as its bytes or its products,
/// whichever is more.
Prediction predict(const Machine& machine, const Ledger& ledger, const StepShape& step,
                   int n_layers);

}  // namespace lowkey::engine
