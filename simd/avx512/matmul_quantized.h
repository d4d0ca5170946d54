// One panel type's integer matrix product; each is instantiated in a file of its own, so that
// they compile side by side.
#pragma once

#include "simd/avx512/matmul_many.h"
#include "simd/avx512/matmul_one.h"
#include "simd/wide/matmul_types-inl.h"

namespace lowkey::simd::avx512 {
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

template <PanelType kType>
void matmul_type(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  wide::matmul_type<Kernels, kType>(w, panels, a, out);
}

}  // namespace
}  // namespace lowkey::simd::avx512
