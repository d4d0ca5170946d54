// AMX: the 512-bit set with many-token products on the tile unit.
// Contracts of the ops: simd/kernel_set.h.
#pragma once

#include "simd/kernel_set.h"

namespace lowkey::simd::amx {

void matmul_quantized(const PanelMatrix& w, Range panels, const Activations& a,
                      const MatmulOut& out);

/// The same kernel on an emulated tile unit; runs wherever the AVX-512 set does. For tests.
void matmul_quantized_emulated(const PanelMatrix& w, Range panels, const Activations& a,
                               const MatmulOut& out);

}  // namespace lowkey::simd::amx
