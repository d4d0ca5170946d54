// AMX: the 512-bit set with products of many tokens, and of many queries, on the tile unit.
// Contracts of the ops: simd/kernel_set.h.
#pragma once

#include "simd/kernel_set.h"

namespace lowkey::simd::amx {

void matmul_quantized(const PanelMatrix& w, Range panels, const Activations& a,
                      const MatmulOut& out);

void round_bf16(const float* x, int64_t n, uint16_t* out);

void matmul_bf16(const PanelMatrix& w, Range panels, MatrixView<const uint16_t> x,
                 const MatmulOut& out);

void attend(KvType type, const KvRun& run, const QueryBlock& queries, const AttendState& state);

void latent_project(const LatentEncoder& e, MatrixView<const float> x, MatrixView<float> z);

void latent_attend(const LatentRuns& tiles, const QueryBlock& queries, const AttendState& state);

/// The same kernels on an emulated tile unit; they run wherever the AVX-512 set does. For tests.
void matmul_quantized_emulated(const PanelMatrix& w, Range panels, const Activations& a,
                               const MatmulOut& out);
void matmul_bf16_emulated(const PanelMatrix& w, Range panels, MatrixView<const uint16_t> x,
                          const MatmulOut& out);
void attend_emulated(KvType type, const KvRun& run, const QueryBlock& queries,
                     const AttendState& state);
void latent_project_emulated(const LatentEncoder& e, MatrixView<const float> x,
                             MatrixView<float> z);
void latent_attend_emulated(const LatentRuns& tiles, const QueryBlock& queries,
                            const AttendState& state);

}  // namespace lowkey::simd::amx
