// The 256-bit set with AVX-VNNI: integer products in one instruction instead of two or three. All
// else is the avx2 set's. Contracts of the ops: simd/kernel_set.h.
#pragma once

#include "simd/kernel_set.h"

namespace lowkey::simd::avxvnni {

void matmul_quantized(const PanelMatrix& w, Range panels, const Activations& a,
                      const MatmulOut& out);

void attend(KvType type, const KvRun& run, const QueryBlock& queries, const AttendState& state);

void latent_attend(const LatentRuns& tiles, const QueryBlock& queries, const AttendState& state);

}  // namespace lowkey::simd::avxvnni
