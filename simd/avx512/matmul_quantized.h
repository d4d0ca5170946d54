// One panel type's integer matrix product; each is instantiated in a file of its own, so that
// they compile side by side.
#pragma once

#include "simd/avx512/matmul_many.h"
#include "simd/avx512/matmul_one.h"
#include "simd/wide/matmul_types-inl.h"

namespace lowkey::simd::avx512 {
namespace {

template <PanelType kType>
void matmul_type(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  wide::matmul_type<BlockSource, kType>(w, panels, a, out);
}

}  // namespace
}  // namespace lowkey::simd::avx512
