#include "engine/gemm.h"

#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>

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

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::memory::desc rows_of(dnnl::memory::data_type type, int64_t rows, int64_t cols,
                           int64_t row_step, int64_t col_step) {
  return {{rows, cols}, type, dnnl::memory::dims{row_step, col_step}};
}

struct MatmulPlan {
  dnnl::memory::desc x, w, y;
  dnnl::matmul primitive;
};

/// A plan without a primitive.
MatmulPlan describe_bf16(const GemmShape& s) {
  using Type = dnnl::memory::data_type;
  return {rows_of(Type::bf16, s.m, s.k, s.x_stride, 1),
          rows_of(Type::bf16, s.k, s.n, 1, s.w_stride),
          rows_of(Type::f32, s.m, s.n, s.y_stride, 1),
          {}};
}

MatmulPlan make_bf16_plan(const GemmShape& s) {
  MatmulPlan plan = describe_bf16(s);
  dnnl::primitive_attr attributes;
  if (s.accumulate) {
    dnnl::post_ops ops;
    ops.append_sum(1.0f);
    attributes.set_post_ops(ops);
  }
  const dnnl::matmul::desc description(plan.x, plan.w, plan.y);
  plan.primitive =
      dnnl::matmul(dnnl::matmul::primitive_desc(description, attributes, cpu_engine()));
  return plan;
}

const MatmulPlan& bf16_plan(const GemmShape& s) {
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, bool>;
  thread_local std::map<Key, MatmulPlan> plans;
  const Key key{s.m, s.n, s.k, s.x_stride, s.w_stride, s.y_stride, s.accumulate};
  auto found = plans.find(key);
  if (found == plans.end()) found = plans.emplace(key, make_bf16_plan(s)).first;
  return found->second;
}

}  // namespace

void gemm_f32(const GemmShape& s, const float* x, const float* w, float* y) {
  run_on_this_thread_only();
  dnnl::sgemm('N', 'T', s.m, s.n, s.k, 1.0f, x, s.x_stride, w, s.w_stride,
              s.accumulate ? 1.0f : 0.0f, y, s.y_stride);
}

bool multiplies_bf16() {
  static const bool has_kernels = [] {
    const MatmulPlan plan = describe_bf16({32, 32, 32, 32, 32, 32, false});
    const dnnl::matmul::desc description(plan.x, plan.w, plan.y);
    constexpr bool kMayBeEmpty = true;
    return bool(dnnl::matmul::primitive_desc(description, {}, cpu_engine(), kMayBeEmpty));
  }();
  return has_kernels;
}

void gemm_bf16(const GemmShape& s, const uint16_t* x, const uint16_t* w, float* y) {
  run_on_this_thread_only();
  thread_local dnnl::stream stream(cpu_engine());
  const MatmulPlan& plan = bf16_plan(s);
  const auto memory = [](const dnnl::memory::desc& desc, const void* data) {
    return dnnl::memory(desc, cpu_engine(), const_cast<void*>(data));
  };
  dnnl::matmul(plan.primitive)
      .execute(stream, {{DNNL_ARG_SRC, memory(plan.x, x)},
                        {DNNL_ARG_WEIGHTS, memory(plan.w, w)},
                        {DNNL_ARG_DST, memory(plan.y, y)}});
  stream.wait();
}

}  // namespace lowkey::engine
