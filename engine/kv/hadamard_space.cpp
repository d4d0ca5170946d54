#include "engine/kv/space.h"

namespace lowkey::engine {

namespace {

class HadamardSpace : public KvSpace {
 public:
  explicit HadamardSpace(int head_dim) : d_(head_dim) {}
  // The matrix is symmetric and orthonormal: the same product leads in and out.
  void enter(const Context& c, int, MatrixView<float> k, MatrixView<float> v) const override {
    turn(c, k);
    turn(c, v);
  }
  void queries(const Context& c, int, MatrixView<float> q) const override { turn(c, q); }
  void outputs(const Context& c, int, MatrixView<float> o) const override { turn(c, o); }
  void output_head(const Context& c, int, int, MatrixView<float> o) const override {
    for (int64_t i = 0; i < o.rows; ++i) c.kernels->hadamard(o.row(i), 1, d_);
  }

 private:
  void turn(const Context& context, MatrixView<float> x) const {
    context.team->parallel_for(x.rows, 16, [&](Range rows, int) {
      for (int64_t i = rows.begin; i < rows.end; ++i) {
        context.kernels->hadamard(x.row(i), x.cols / d_, d_);
      }
    });
  }
  int d_;
};

}  // namespace

std::unique_ptr<KvSpace> hadamard_space(int head_dim) {
  return std::make_unique<HadamardSpace>(head_dim);
}

}  // namespace lowkey::engine
