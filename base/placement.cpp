#include "base/placement.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "base/cpu_list.h"
#include "base/file_map.h"

namespace lowkey {

namespace {

/// CPUs of one node's folder that are allowed.
std::vector<int> cpus_in(const std::filesystem::path& folder, const std::vector<int>& allowed) {
  const auto text = read_text_file((folder / "cpulist").string(), 1 << 16);
  if (!text.ok()) return {};
  std::string line = *text;
  while (!line.empty() && line.back() == '\n') line.pop_back();
  const auto cpus = parse_cpu_list(line);
  std::vector<int> both;
  if (!cpus.ok()) return both;
  std::set_intersection(cpus->begin(), cpus->end(), allowed.begin(), allowed.end(),
                        std::back_inserter(both));
  return both;
}

int node_number(const std::filesystem::path& folder) {
  const std::string name = folder.filename().string();
  const auto number =
      name.starts_with("node") ? parse_cpu_list(name.substr(4)) : std::vector<int>();
  return number.ok() && number->size() == 1 ? number->front() : -1;
}

}  // namespace

Topology read_topology(const std::string& folder, const std::vector<int>& allowed) {
  namespace fs = std::filesystem;
  std::vector<std::pair<int, std::vector<int>>> found;
  std::error_code error;
  size_t n_cpus = 0;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const int number = node_number(at->path());
    std::vector<int> cpus = number < 0 ? std::vector<int>() : cpus_in(at->path(), allowed);
    n_cpus += cpus.size();
    if (!cpus.empty()) found.push_back({number, std::move(cpus)});
  }
  Topology topology;
  if (n_cpus != allowed.size()) return {{allowed}};  // the folder does not know all of them
  std::sort(found.begin(), found.end());
  for (auto& [number, cpus] : found) topology.nodes.push_back(std::move(cpus));
  return topology;
}

int ThreadPlan::threads_on(int node) const {
  return int(std::count(node_of.begin(), node_of.end(), node));
}

ThreadPlan plain_threads(int n_threads) {
  ThreadPlan plan;
  plan.node_of.assign(size_t(std::max(n_threads, 1)), 0);
  plan.cpus_of.resize(plan.node_of.size());
  return plan;
}

ThreadPlan plan_threads(const Topology& topology, int n_threads, Pinning pinning) {
  ThreadPlan plan = plain_threads(n_threads);
  int64_t n_cpus = 0, before = 0;
  for (const auto& cpus : topology.nodes) n_cpus += int64_t(cpus.size());
  if (n_cpus == 0) return plan;
  plan.n_nodes = 0;
  for (const auto& cpus : topology.nodes) {
    const int64_t after = before + int64_t(cpus.size()), n = plan.n_threads();
    const int64_t first = (before * n + n_cpus / 2) / n_cpus;
    const int64_t last = (after * n + n_cpus / 2) / n_cpus;
    before = after;
    for (int64_t t = first; t < last; ++t) {
      plan.node_of[size_t(t)] = plan.n_nodes;
      if (pinning == Pinning::kCpus) {
        plan.cpus_of[size_t(t)] = {cpus[size_t(t - first) % cpus.size()]};
      } else if (topology.nodes.size() > 1) {
        plan.cpus_of[size_t(t)] = cpus;
      }
    }
    if (last > first) ++plan.n_nodes;
  }
  return plan;
}

std::vector<int64_t> node_bounds(const ThreadPlan& plan, int64_t n) {
  std::vector<int64_t> bounds = {0};
  int64_t threads = 0;
  for (int node = 0; node < plan.n_nodes; ++node) {
    threads += plan.threads_on(node);
    bounds.push_back(n * threads / plan.n_threads());
  }
  return bounds;
}

Range thread_share(const ThreadPlan& plan, std::span<const int64_t> bounds, int thread) {
  const int node = plan.node_of[size_t(thread)];
  const auto [first, last] = std::equal_range(plan.node_of.begin(), plan.node_of.end(), node);
  const int64_t n = last - first, before = thread - (first - plan.node_of.begin());
  const int64_t begin = bounds[size_t(node)], size = bounds[size_t(node) + 1] - begin;
  const Range own = part_of(size, before, n);
  return {begin + own.begin, begin + own.end};
}

std::vector<int> node_turns(const ThreadPlan& plan) {
  std::vector<int> threads;
  int common = 0;
  for (int node = 0; node < plan.n_nodes; ++node) {
    threads.push_back(plan.threads_on(node));
    common = std::gcd(common, threads.back());
  }
  const int n_turns = plan.n_threads() / common;
  std::vector<int> turns, given(threads.size(), 0);
  for (int turn = 1; turn <= n_turns; ++turn) {  // each time the node that lags most
    size_t most = 0;
    int64_t largest = -1;
    for (size_t node = 0; node < threads.size(); ++node) {
      const int64_t lag = int64_t{threads[node]} * turn - int64_t{given[node]} * plan.n_threads();
      if (lag > largest) most = node, largest = lag;
    }
    ++given[most];
    turns.push_back(int(most));
  }
  return turns;
}

}  // namespace lowkey
