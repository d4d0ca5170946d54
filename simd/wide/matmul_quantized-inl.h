// Integer matrix product for sets whose dot product wants help: codes and scales of a slab are
// unpacked once per panel into the first-level cache, then every token passes over them.
//
// `Dot` is the set's integer engine: Dot::sum<kType, kVectors>(codes, q, part) is the sum over
// kVectors code vectors and the four columns of each, for the rows of one register.
#pragma once

#include <algorithm>

#include "simd/wide/expand-inl.h"
#include "simd/wide/write_rows-inl.h"

namespace lowkey::simd::wide {
namespace {

constexpr int kIntegerSlab = 32;  // blocks: 16 KiB of codes

struct IntegerSlab {
  alignas(64) uint8_t codes[kIntegerSlab][512];  // kU8: minus 128, signed
  alignas(64) float scale[kIntegerSlab][2][kPanelRows];
  alignas(64) float minimum[kIntegerSlab][kPanelRows];
};

template <class Isa>
void fill_slab(const PanelFormat& f, const std::byte* block, int64_t n_blocks, IntegerSlab* slab) {
  const int n_scales = kBlockCols / f.scale_cols, n_halves = n_scales + (f.has_minimum ? 1 : 0);
  for (int64_t b = 0; b < n_blocks; ++b, block += block_bytes(f)) {
    const auto* halves = reinterpret_cast<const uint16_t*>(block);
    for (int i = 0; i < n_halves; ++i) {
      float* out = i < n_scales ? slab->scale[b][i] : slab->minimum[b];
      for (int r = 0; r < kPanelRows; r += Isa::kLanes) {
        Isa::load_f16(halves + i * kPanelRows + r).store_aligned(out + r);
      }
    }
    expand_codes(f.type, block + 2 * kPanelRows * n_halves, slab->codes[b]);
    for (int i = 0; i < 512 && f.type == PanelType::kU8; ++i) slab->codes[b][i] ^= 0x80;
  }
}

/// One token's activations from the first column of a slab on.
struct TokenInput {
  const int8_t* hi;
  const int8_t* lo;  // or nullptr
  const float* scale;
  const int32_t* sum;
};

template <class Isa, class Dot, PanelType kType, int kScales>
struct IntegerKernel {
  using Float = typename Isa::Float;
  using Int = typename Isa::Int;
  static constexpr int kParts = kPanelRows / Isa::kLanes;
  static constexpr int kVectors = 8 / kScales;

  /// Sum of (code - offset) * q over the columns of scale `i` of one block, as floats.
  static Float scaled_codes(const uint8_t* codes, const TokenInput& in, int64_t b, int i, int part,
                            int offset) {
    const int64_t at = b * kBlockCols + 4 * kVectors * i;
    const uint8_t* first = codes + 64 * kVectors * i;
    Int dot = Dot::template sum<kType, kVectors>(first, in.hi + at, part) << 7;
    if (in.lo) dot += Dot::template sum<kType, kVectors>(first, in.lo + at, part);
    const int32_t q_sum = kScales == 2 ? in.sum[2 * b + i] : in.sum[2 * b] + in.sum[2 * b + 1];
    return xsimd::to_float(dot - Int(offset * q_sum));
  }

  /// sums [16] = the slab times one token.
  static void run(const IntegerSlab& slab, int64_t n_blocks, const TokenInput& in,
                  const PanelFormat& f, float (&sums)[kPanelRows]) {
    const int offset = kType == PanelType::kU8 ? f.offset - 128 : f.offset;
    Float acc[kParts];
    std::fill(acc, acc + kParts, Float(0.0f));
    for (int64_t b = 0; b < n_blocks; ++b) {
      const Float a_scale(in.scale[b]);
      const Float weight(in.scale[b] * float(in.sum[2 * b] + in.sum[2 * b + 1]));
      for (int part = 0; part < kParts; ++part) {
        const int row = part * Isa::kLanes;
        for (int i = 0; i < kScales; ++i) {
          const Float scale = Float::load_aligned(slab.scale[b][i] + row) * a_scale;
          const Float codes = scaled_codes(slab.codes[b], in, b, i, part, offset);
          acc[part] = Isa::mul_add(scale, codes, acc[part]);
        }
        if (f.has_minimum) {
          acc[part] = Isa::mul_add(weight, Float::load_aligned(slab.minimum[b] + row), acc[part]);
        }
      }
    }
    for (int part = 0; part < kParts; ++part) acc[part].store_aligned(sums + part * Isa::kLanes);
  }
};

template <class Isa, class Dot, PanelType kType, int kScales>
void matmul_panels(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  const int64_t n_blocks = w.n_cols / kBlockCols;
  IntegerSlab slab;
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    for (int64_t first = 0; first < n_blocks; first += kIntegerSlab) {
      const int64_t n = std::min<int64_t>(kIntegerSlab, n_blocks - first);
      fill_slab<Isa>(w.format, w.panel(p) + first * block_bytes(w.format), n, &slab);
      const MatmulOut target{out.y, out.stride, out.accumulate || first > 0};
      for (int64_t t = 0; t < a.n_tokens; ++t) {
        const int64_t b = t * n_blocks + first;
        const TokenInput in{a.hi + b * kBlockCols, a.lo ? a.lo + b * kBlockCols : nullptr,
                            a.scale + b, a.sum + 2 * b};
        alignas(64) float sums[kPanelRows];
        IntegerKernel<Isa, Dot, kType, kScales>::run(slab, n, in, w.format, sums);
        write_rows(sums, target, t, p * kPanelRows, w.n_rows);
      }
    }
  }
}

template <class Isa, class Dot, PanelType kType>
void matmul_type(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  if (w.format.scale_cols == 16) return matmul_panels<Isa, Dot, kType, 2>(w, panels, a, out);
  matmul_panels<Isa, Dot, kType, 1>(w, panels, a, out);
}

template <class Isa, class Dot>
void matmul_quantized(const PanelMatrix& w, Range panels, const Activations& a,
                      const MatmulOut& out) {
  switch (w.format.type) {
    case PanelType::kU4:
      return matmul_type<Isa, Dot, PanelType::kU4>(w, panels, a, out);
    case PanelType::kU5:
      return matmul_type<Isa, Dot, PanelType::kU5>(w, panels, a, out);
    case PanelType::kU6:
      return matmul_type<Isa, Dot, PanelType::kU6>(w, panels, a, out);
    default:
      return matmul_type<Isa, Dot, PanelType::kU8>(w, panels, a, out);
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
