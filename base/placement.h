// Which threads stand on which memory node, and who owns what: plain data, so that a plan for a
// machine that is not here can be computed and checked.
//
// Memory belongs to the node whose thread touches it first. What all threads read in every step is
// therefore cut by node once; each part is touched first, and later read, by its node's threads.
// On a machine of one node there is one part, and nothing changes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/view.h"

namespace lowkey {

/// CPUs by memory node; nodes without CPUs are left out.
struct Topology {
  std::vector<std::vector<int>> nodes;
};

/// Of `folder` (as /sys/devices/system/node: node0/cpulist, node1/cpulist, ...), cut down to
/// `allowed`. One node with all of them where the folder says nothing of use.
Topology read_topology(const std::string& folder, const std::vector<int>& allowed);

struct ThreadPlan {
  int n_nodes = 1;
  std::vector<int> node_of;               // [n_threads], rising
  std::vector<std::vector<int>> cpus_of;  // [n_threads] where each may run; empty: anywhere

  int n_threads() const { return int(node_of.size()); }
  int threads_on(int node) const;
};

enum class Pinning {
  kNodes,  // a thread may run on any CPU of its node; on a machine of one node, anywhere
  kCpus,   // each thread on one CPU, in the order of their numbers
};

/// No nodes, no pins.
ThreadPlan plain_threads(int n_threads);

/// Threads dealt out to the nodes in proportion to their CPUs. Nodes that get none drop out.
ThreadPlan plan_threads(const Topology& topology, int n_threads, Pinning pinning);

/// [0, n) cut by node in proportion to its threads: node k owns [bounds[k], bounds[k + 1]).
std::vector<int64_t> node_bounds(const ThreadPlan& plan, int64_t n);

/// A thread's part of its node's [bounds[k], bounds[k + 1]).
Range thread_share(const ThreadPlan& plan, std::span<const int64_t> bounds, int thread);

/// Owners of many small things 0, 1, 2, ... that are to spread evenly however few there are: thing
/// i belongs to node turns[i % size]. In proportion to threads too; as short as that allows.
std::vector<int> node_turns(const ThreadPlan& plan);

}  // namespace lowkey
