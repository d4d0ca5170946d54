#include "engine/traffic/machine.h"

#include <algorithm>
#include <cmath>

namespace lowkey::engine {

namespace {

constexpr double kGiga = 1e9;
constexpr double kSustainedBandwidth = 0.8, kSustainedProducts = 0.5;
constexpr double kProductsPerWeight = 2;
// Rows that norms and gates leave to one thread (engine/decoder/layer.cpp).
constexpr double kSerialRows = 4;

double over(double work, double rate) { return rate > 0 ? work / rate : 0.0; }

/// From one query position to blocks of them, as kernels share what they unpack.
double attend_rate(const Machine& m, int64_t n_tokens) {
  constexpr double kManyTokens = 8;
  const double share = std::min(1.0, std::log2(double(n_tokens)) / std::log2(kManyTokens));
  return m.attend_products + share * (m.attend_products_many - m.attend_products);
}

/// Bytes or products, whichever takes longer, at the blocks of rows that were measured; linear
/// between them.
double weight_seconds(const Machine& m, const Ledger& l, double n_rows, double read) {
  const auto seconds = [&](const WeightRate& rate) {
    return std::max(over(l.weights, rate.reach * read),
                    over(l.weight_products * rate.rows / n_rows, rate.products));
  };
  if (m.weights.empty()) return over(l.weights, read);
  const auto right = std::find_if(m.weights.begin(), m.weights.end(),
                                  [&](const WeightRate& rate) { return rate.rows >= n_rows; });
  if (right == m.weights.begin()) return seconds(*right);
  if (right == m.weights.end()) {
    const WeightRate& most = m.weights.back();
    return std::max(seconds(most), over(l.weight_products, most.products));
  }
  const WeightRate& left = *(right - 1);
  const double share = (n_rows - left.rows) / (right->rows - left.rows);
  return seconds(left) + share * (seconds(*right) - seconds(left));
}

/// Time of attention's products against that of tasks which all threads finish at once. (Memory is
/// busy all the same while some threads wait.)
double imbalance(const Ledger& l, int n_threads) {
  if (l.attend_tasks < 1) return 1.0;
  const double rounds = std::ceil(l.attend_tasks / n_threads) / l.attend_tasks;
  return n_threads * std::max(rounds, l.longest_task);
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
  m.weights = {{1, products, 1.0}};
  m.attend_products = m.attend_products_many = products;
  m.carry_products = products / 4;  // in floats
  return m;
}

Prediction predict(const Machine& machine, const Ledger& l, const StepShape& step, int n_layers) {
  const double read = machine.bandwidth(l.bytes());
  const double n_rows = double(step.n_rows()), batch = double(step.batch);
  Prediction p;
  p.memory_seconds = over(l.bytes(), read);
  p.weight_seconds = weight_seconds(machine, l, n_rows, read);
  const double attend_seconds = over(l.attend_products, attend_rate(machine, step.n_tokens));
  p.attend_seconds = std::max(over(l.kv() + l.written, machine.attend_efficiency * read),
                              attend_seconds * imbalance(l, machine.n_threads)) +
                     over(l.carry_products, machine.carry_products);
  const double near = machine.curve.empty() ? 0.0 : machine.curve.front().read;
  const double rows = std::max(std::min(n_rows, kSerialRows), n_rows / machine.n_threads);
  const double sequences =
      (step.batch > 1 ? batch * machine.neighbour_seconds : machine.sequence_seconds) +
      (n_rows - batch) * machine.entry_seconds;
  p.other_seconds =
      over(l.activations + l.logits, near) + n_layers * (rows * machine.row_seconds + sequences);
  return p;
}

}  // namespace lowkey::engine
