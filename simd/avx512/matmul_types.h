// The parts of matmul_quantized, by panel type.
#pragma once

#include "simd/kernel_set.h"

namespace lowkey::simd::avx512 {

void matmul_u4(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out);
void matmul_u5(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out);
void matmul_u6(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out);
void matmul_u8(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out);

}  // namespace lowkey::simd::avx512
