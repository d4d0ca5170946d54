// 256-bit x86 with FMA and F16C.
// Contracts of the ops: simd/kernel_set.h.
#pragma once

#include "simd/kernel_set.h"

namespace lowkey::simd::avx2 {

void quantize(const float* x, int64_t x_stride, const Activations& a);
void matmul_quantized(const PanelMatrix& w, Range panels, const Activations& a,
                      const MatmulOut& out);
void matmul_float(const PanelMatrix& w, Range panels, MatrixView<const float> x,
                  const MatmulOut& out);
void unpack_f32(const PanelMatrix& w, int64_t panel, float* out, int64_t stride);
void unpack_bf16(const PanelMatrix& w, int64_t panel, uint16_t* out, int64_t stride);

void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* out);
void rope(float* x, int64_t n_heads, int64_t d, const float* cos_sin, int64_t n_rot,
          bool neighbours);
void swiglu(const float* gate, const float* up, int64_t n, float* out);
void add(float* x, const float* y, int64_t n);
float dot(const float* x, const float* y, int64_t n);
float softmax(float* x, int64_t n);
void hadamard(float* x, int64_t n_heads, int64_t d);

void encode_k(KvType type, const float* k, int d, int t, std::byte* part);
void encode_v(KvType type, const float* v, int d, int t, std::byte* part);
void attend(KvType type, const KvRun& run, const QueryBlock& queries, const AttendState& state);

void latent_project(const LatentEncoder& e, MatrixView<const float> x, MatrixView<float> z);
void latent_encode_k(const LatentPlan& plan, MatrixView<const float> z, int first, std::byte* part);
void latent_encode_v(const LatentPlan& plan, MatrixView<const float> z, int first, std::byte* part);
void latent_attend(const LatentPlan& k, const LatentPlan& v, const KvRun& run,
                   const QueryBlock& queries, const AttendState& state);

}  // namespace lowkey::simd::avx2
