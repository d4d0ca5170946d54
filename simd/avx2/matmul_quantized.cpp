#include "simd/avx2/matmul_many.h"
#include "simd/avx2/matmul_one.h"
#include "simd/avx2/ops.h"
#include "simd/wide/matmul_types-inl.h"

namespace lowkey::simd::avx2 {
namespace {

struct Kernels {
  template <PanelType kType, bool kMinimum, int kScales>
  using Source = BlockSource<kType, kMinimum, kScales>;

  template <class S, bool kLo>
  static void one(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
    matmul_one<S, kLo>(w, panels, a, out);
  }
  template <class S, bool kLo>
  static void many(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
    matmul_many<S, kLo>(w, panels, a, out);
  }
};

}  // namespace

void matmul_quantized(const PanelMatrix& w, Range panels, const Activations& a,
                      const MatmulOut& out) {
  switch (w.format.type) {
    case PanelType::kU4:
      return wide::matmul_type<Kernels, PanelType::kU4>(w, panels, a, out);
    case PanelType::kU5:
      return wide::matmul_type<Kernels, PanelType::kU5>(w, panels, a, out);
    case PanelType::kU6:
      return wide::matmul_type<Kernels, PanelType::kU6>(w, panels, a, out);
    default:
      return wide::matmul_type<Kernels, PanelType::kU8>(w, panels, a, out);
  }
}

}  // namespace lowkey::simd::avx2
