#include "engine/traffic/machine.h"

#include <algorithm>
#include <cmath>

namespace lowkey::engine {

namespace {

constexpr double kGiga = 1e9;
constexpr double kSustainedBandwidth = 0.8, kSustainedProducts = 0.5;
constexpr double kProductsPerWeight = 2;
constexpr int64_t kManyRows = 8;  // from here on, products run at the speed of blocks

double over(double work, double rate) { return rate > 0 ? work / rate : 0.0; }

/// From the speed of one row to that of many, as kernels share what they unpack between rows.
double rate_for(double one, double many, int64_t n_rows) {
  const double share = std::min(1.0, std::log2(double(n_rows)) / std::log2(double(kManyRows)));
  return one + share * (many - one);
}

}  // namespace

double Machine::bandwidth(double working_set) const {
  if (curve.empty()) return 0.0;
  const auto right = std::find_if(curve.begin(), curve.end(), [&](const BandwidthPoint& p) {
    return p.working_set >= working_set;
  });
  if (right == curve.begin()) return curve.front().read;
  if (right == curve.end()) return curve.back().read;
  const BandwidthPoint& left = *(right - 1);
  const double share =
      std::log(working_set / left.working_set) / std::log(right->working_set / left.working_set);
  return left.read + share * (right->read - left.read);
}

const std::vector<MachineNumbers>& known_machines() {
  static const std::vector<MachineNumbers> machines = {
      {"laptop", "8 cores, LPDDR5X-7500 on 128 bits", 120 * kGiga, 8, 4.0 * kGiga, 64},
      {"pi5", "Raspberry Pi 5: 4 Cortex-A76, LPDDR4X-4267 on 32 bits", 17.1 * kGiga, 4, 2.4 * kGiga,
       32},
      {"graviton4", "96 Neoverse V2, 12 channels of DDR5-5600", 537.6 * kGiga, 96, 2.8 * kGiga, 64},
      {"server", "two sockets, 64 cores and 12 channels of DDR5-6400 each", 1228.8 * kGiga, 128,
       3.0 * kGiga, 128},
      {"gpu", "HBM3 of 3.35 TB/s, 132 multiprocessors", 3350 * kGiga, 132, 1.75 * kGiga, 4096},
  };
  return machines;
}

Result<MachineNumbers> find_machine(std::string_view name) {
  std::string names;
  for (const MachineNumbers& m : known_machines()) {
    if (name == m.name) return m;
    names += (names.empty() ? "" : ", ") + std::string(m.name);
  }
  return make_error(ErrorCode::kInvalidArgument, "--machine",
                    "expected one of " + names + "; found '" + std::string(name) + "'");
}

Machine machine_of(const MachineNumbers& numbers) {
  Machine m;
  m.name = numbers.name;
  m.n_threads = numbers.n_cores;
  const double dram = kSustainedBandwidth * numbers.dram;
  m.curve = {{1.0, dram, dram}};
  const double products =
      kSustainedProducts * numbers.n_cores * numbers.clock * numbers.products / kProductsPerWeight;
  m.weight_products_one = m.weight_products_many = products;
  m.attend_products = m.attend_products_many = products;
  m.carry_products = products / 4;  // in floats
  return m;
}

Prediction predict(const Machine& machine, const Ledger& l, const StepShape& step, int n_layers) {
  const double read = machine.bandwidth(l.bytes());
  const int64_t n_rows = step.n_rows();
  const double weight_rate =
      rate_for(machine.weight_products_one, machine.weight_products_many, n_rows);
  const double attend_rate =
      rate_for(machine.attend_products, machine.attend_products_many, step.n_tokens);
  Prediction p;
  p.memory_seconds = over(l.bytes(), read);
  p.weight_seconds = std::max(over(l.weights, machine.weight_efficiency * read),
                              over(l.weight_products, weight_rate));
  p.attend_seconds = std::max(over(l.kv() + l.written, machine.attend_efficiency * read),
                              over(l.attend_products, attend_rate)) +
                     over(l.carry_products, machine.carry_products);
  const double near = machine.curve.empty() ? 0.0 : machine.curve.front().read;
  const double rows = std::max(1.0, double(n_rows) / machine.n_threads);
  p.other_seconds =
      over(l.activations + l.logits, near) +
      n_layers * (rows * machine.row_seconds + double(step.batch) * machine.sequence_seconds);
  return p;
}

}  // namespace lowkey::engine
