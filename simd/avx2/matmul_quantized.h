// From a panel's type to its integer products.
#pragma once

#include "simd/avx2/matmul_many.h"
#include "simd/avx2/matmul_one.h"
#include "simd/wide/matmul_types-inl.h"

namespace lowkey::simd::avx2 {
namespace {

inline void matmul_types(const PanelMatrix& w, Range panels, const Activations& a,
                         const MatmulOut& out) {
  switch (w.format.type) {
    case PanelType::kU4:
      return wide::matmul_type<BlockSource, PanelType::kU4>(w, panels, a, out);
    case PanelType::kU5:
      return wide::matmul_type<BlockSource, PanelType::kU5>(w, panels, a, out);
    case PanelType::kU6:
      return wide::matmul_type<BlockSource, PanelType::kU6>(w, panels, a, out);
    default:
      return wide::matmul_type<BlockSource, PanelType::kU8>(w, panels, a, out);
  }
}

}  // namespace
}  // namespace lowkey::simd::avx2
