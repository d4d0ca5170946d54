// Counts how deep a recursion stands.
#pragma once

namespace lowkey::models::jinja {

struct DepthGuard {
  explicit DepthGuard(int& depth_in) : depth(depth_in) { ++depth; }
  ~DepthGuard() { --depth; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;
  int& depth;
};

}  // namespace lowkey::models::jinja
