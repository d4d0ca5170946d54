#include "engine/gemm.h"

#include <oneapi/dnnl/dnnl.hpp>

// Declared here because the compilers' own omp.h may belong to another OpenMP than oneDNN's.
extern "C" void omp_set_num_threads(int);

namespace lowkey::engine {

namespace {

/// oneDNN sizes its work by the calling thread's OpenMP setting: one.
void run_on_this_thread_only() {
  thread_local bool done = false;
  if (done) return;
  omp_set_num_threads(1);
  done = true;
}

}  // namespace

void gemm_f32(const GemmShape& s, const float* x, const float* w, float* y) {
  run_on_this_thread_only();
  dnnl::sgemm('N', 'T', s.m, s.n, s.k, 1.0f, x, s.x_stride, w, s.w_stride,
              s.accumulate ? 1.0f : 0.0f, y, s.y_stride);
}

}  // namespace lowkey::engine
