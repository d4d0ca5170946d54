// Every arithmetic operation of the engine, as one table per instruction set.
// One op = one name in every set's folder. The scalar set is the oracle: plain loops, double sums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/cpu.h"
#include "simd/kv_tile.h"
#include "simd/latent_run.h"
#include "simd/latent_tile.h"
#include "simd/panel.h"

namespace lowkey::simd {

/// Which rows of the weights an op covers, and where results go.
struct MatmulOut {
  float* y = nullptr;  // [n_tokens, stride]: y[t * stride + row]
  int64_t stride = 0;
  bool accumulate = false;  // y += instead of y =
};

struct KernelSet {
  const char* name;
  bool (*supported)(const CpuFeatures&);
  bool fast_bf16 = false;  // many tokens take less time by matmul_bf16 than by matmul_quantized

  // --- weights (panel.h) ---
  /// Fills a (scale, hi, lo if present, sum) from x [n_tokens, n_cols], rows `x_stride` apart.
  void (*quantize)(const float* x, int64_t x_stride, const Activations& a);
  /// y[t, row] = sum_c w[row, c] a[t, c] for the rows of panels [panels.begin, panels.end).
  /// Quantised formats only. Rows >= w.n_rows are not written.
  void (*matmul_quantized)(const PanelMatrix& w, Range panels, const Activations& a,
                           const MatmulOut& out);
  /// The same with float activations x [n_tokens, n_cols] (rows `x_stride` apart), any format.
  void (*matmul_float)(const PanelMatrix& w, Range panels, MatrixView<const float> x,
                       const MatmulOut& out);
  /// Panel back to rows: out [16, stride] of f32 (rows >= n_rows of the last panel are zero).
  void (*unpack_f32)(const PanelMatrix& w, int64_t panel, float* out, int64_t stride);
  /// out [n] = x, each rounded to bf16; a NaN stays one, a subnormal may become 0.
  void (*round_bf16)(const float* x, int64_t n, uint16_t* out);
  /// y[t, row] = sum_c w[row, c] x[t, c], w rounded to bf16 too, sums in f32. Not kF32, whose
  /// weights would lose most; n_cols a multiple of 32.
  void (*matmul_bf16)(const PanelMatrix& w, Range panels, MatrixView<const uint16_t> x,
                      const MatmulOut& out);

  // --- vectors ---
  /// out = x / sqrt(mean(x^2) + eps) * weight; out may be x.
  void (*rms_norm)(const float* x, const float* weight, int64_t n, float eps, float* out);
  /// Rotates n_heads vectors of size d in place. cos_sin: cos [n_rot / 2], then sin [n_rot / 2], of
  /// this position; the first n_rot coordinates turn. neighbours: pairs (2i, 2i+1); else (i, i +
  /// n_rot / 2).
  void (*rope)(float* x, int64_t n_heads, int64_t d, const float* cos_sin, int64_t n_rot,
               bool neighbours);
  /// out = silu(gate) * up.
  void (*swiglu)(const float* gate, const float* up, int64_t n, float* out);
  /// y = a x + b y; y is not read if b is 0. x may be y.
  void (*axpby)(float a, const float* x, float b, float* y, int64_t n);
  float (*dot)(const float* x, const float* y, int64_t n);
  /// In place; n >= 1; returns log(sum(exp(x))) of the input.
  float (*softmax)(float* x, int64_t n);
  /// Orthonormal Walsh-Hadamard transform of n_heads vectors of size d (a power of two), in place.
  void (*hadamard)(float* x, int64_t n_heads, int64_t d);

  // --- KV cache (kv_tile.h) ---
  /// Writes one token (0 <= t < 16) of one head into a tile's K part, or V part.
  void (*encode_k)(KvType type, const float* k, int d, int t, std::byte* part);
  void (*encode_v)(KvType type, const float* v, int d, int t, std::byte* part);
  /// One pass of flash attention of a block of queries over a run of tiles.
  void (*attend)(KvType type, const KvRun& run, const QueryBlock& queries,
                 const AttendState& state);

  // --- latent KV cache (latent_tile.h) ---
  /// z [n, e.d_out] = E (x - mean) of n rows x [n, e.d_in]; z.rows = x.rows = n.
  void (*latent_project)(const LatentEncoder& e, MatrixView<const float> x, MatrixView<float> z);
  /// Codes n = z.rows latents z [n, >= plan.n_coords] as the tokens first .. first + n - 1 of a
  /// part (first + n <= 16); the part's other tokens stay. A part filled from t = 0 on needs no
  /// clearing.
  void (*latent_encode_k)(const LatentPlan& plan, MatrixView<const float> z, int first,
                          std::byte* part);
  void (*latent_encode_v)(const LatentPlan& plan, MatrixView<const float> z, int first,
                          std::byte* part);
  /// Flash attention on the integer codes, adding to the same state as `attend` does (segments of
  /// exact and of compressed tokens in any order). queries.q = softmax scale * D_K^T q; the first
  /// k.n_coords of its d_k entries are used. out [n_queries, d_v] receives z^ sums of the first
  /// v.n_coords coordinates. The runs' k, v point to parts of latent tiles.
  void (*latent_attend)(const LatentRuns& tiles, const QueryBlock& queries,
                        const AttendState& state);
};

/// F(op) for every op, in the order of the table.
#define LK_FOR_EACH_OP(F) \
  F(quantize)             \
  F(matmul_quantized)     \
  F(matmul_float)         \
  F(unpack_f32)           \
  F(round_bf16)           \
  F(matmul_bf16)          \
  F(rms_norm)             \
  F(rope)                 \
  F(swiglu)               \
  F(axpby)                \
  F(dot)                  \
  F(softmax)              \
  F(hadamard)             \
  F(encode_k)             \
  F(encode_v)             \
  F(attend)               \
  F(latent_project)       \
  F(latent_encode_k)      \
  F(latent_encode_v)      \
  F(latent_attend)

/// Declares a set's own function of this name; the table gives its type.
#define LK_DECLARE_OP(op) std::remove_pointer_t<decltype(KernelSet::op)> op;
/// A set's entry in its table.
#define LK_SET_OP(op) .op = op,

#define LK_COUNT_OP(op) +1
static_assert(sizeof(KernelSet) == sizeof(void*) * (3 LK_FOR_EACH_OP(LK_COUNT_OP)),
              "an op of the table is missing in LK_FOR_EACH_OP");
#undef LK_COUNT_OP

}  // namespace lowkey::simd
