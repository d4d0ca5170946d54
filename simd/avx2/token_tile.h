// Activations of some tokens, in the order in which blocks of weights meet them, and such a block
// unpacked.
#pragma once

#include <cstring>

#include "simd/avx2/integer_dot.h"
#include "simd/kernel_set.h"
#include "simd/wide/token_tiles-inl.h"

namespace lowkey::simd::avx2 {
namespace {

using wide::kTileSize, wide::kTileTokens, wide::TileRange;

constexpr int kTogether = 6;  // tokens whose sums, two registers each, leave room for factors

/// Block b of token t is number b * n_tokens + t.
struct TokenTile {
  alignas(64) int8_t q[kTileSize * 2 * kBlockCols];
  alignas(64) float sums[kTileTokens][kPanelRows];
  float scale[kTileSize];
  InputSums input[kTileSize];
};

/// How a tile and the codes that meet it are held: as words, or, for activations of 8 bits and
/// codes whose sums have room, as bytes.
template <class Source, bool kLo>
struct TileForm {
  static constexpr bool kBytes = !kLo && fits_block(Source::kType);
  static constexpr int kSteps = kBytes ? 8 : 16;  // of products; each takes 4 bytes of a token
  static constexpr int64_t kStride = 4 * kSteps;  // bytes of a block of one token
};

template <class Source, bool kLo>
void fill_tile(const Activations& a, const TileRange& r, int offset, TokenTile* tile) {
  using Form = TileForm<Source, kLo>;
  for (int64_t t = 0; t < r.n_tokens; ++t) {
    for (int64_t b = 0; b < r.n_blocks; ++b) {
      const int64_t at = (r.token + t) * (a.n_cols / kBlockCols) + r.block + b;
      const int64_t i = b * r.n_tokens + t, c = at * kBlockCols;
      int8_t* q = tile->q + i * Form::kStride;
      if constexpr (Form::kBytes) {
        std::memcpy(q, a.hi + c, kBlockCols);
      } else {
        to_words(a.hi + c, kLo ? a.lo + c : nullptr, reinterpret_cast<int16_t*>(q));
      }
      tile->scale[i] = a.scale[at];
      tile->input[i] = input_sums<Source>(a, at, offset);
    }
  }
}

/// A block of weights, unpacked. Words of step v < 8 are the even columns of vector v, those of
/// step 8 + v its odd ones.
template <class Source, bool kLo>
struct BlockWeights {
  using Form = TileForm<Source, kLo>;
  alignas(32) __m256i codes[Form::kSteps][kParts];
  __m256 scale[Source::kScales][kParts];
  __m256 minimum[kParts];

  explicit BlockWeights(const std::byte* block) {
    wide::unrolled<8>([&](auto v) __attribute__((always_inline)) {
      for (int p = 0; p < kParts; ++p) {
        const __m256i code = code_vector<Source::kType, v>(block + Source::kHead, p);
        codes[v][p] = Form::kBytes ? code : words_of(code).even;
        if constexpr (!Form::kBytes) codes[8 + v][p] = words_of(code).odd;
      }
    });
    for (int p = 0; p < kParts; ++p) {
      for (int i = 0; i < Source::kScales; ++i) scale[i][p] = Source::scale(block, i, p);
      if constexpr (Source::kHasMinimum) minimum[p] = Source::minimum(block, p);
    }
  }

  /// y [kTokens][16] += this block times tokens i .. i + kTokens - 1 of the tile.
  template <int kTokens>
  [[gnu::always_inline]] void add_to(const TokenTile& tile, int64_t i, float* y) const {
    add_group<kTokens, 0>(tile, i, y);
    if constexpr (Source::kScales == 2) add_group<kTokens, 1>(tile, i, y);
  }

 private:
  /// The same of scale group kGroup alone.
  template <int kTokens, int kGroup>
  [[gnu::always_inline]] void add_group(const TokenTile& tile, int64_t i, float* y) const {
    constexpr int kSize = 8 / Source::kScales, kBegin = kSize * kGroup;
    const int8_t* q = tile.q + i * Form::kStride;
    __m256i sums[kTokens][kParts] = {};
    for (int half = 0; half < Form::kSteps; half += 8) {
#pragma GCC unroll 4
      for (int step = half + kBegin; step < half + kBegin + kSize; ++step) {
        add_step<kTokens>(codes[step], q + 4 * step, sums);
      }
    }
    const auto* own_scale = hidden(scale[kGroup]);  // in no register while there are sums
    const __m256 factor[kParts] = {own_scale[0], own_scale[1]};
    wide::unrolled<kTokens>([&](auto t) __attribute__((always_inline)) {
      const InputSums& input = tile.input[i + t];
      const __m256 weight = _mm256_set1_ps(input.weight);
      const float a_scale = tile.scale[i + t];
      float* own = y + t * kPanelRows;
      __m256 after[kParts];  // stored last: as far as compilers know, a store changes `tile`
      for (int p = 0; p < kParts; ++p) {
        __m256i dots = Form::kBytes ? widened<128>(sums[t][p]) : sums[t][p];
        after[p] = _mm256_load_ps(own + p * kPartRows);
        if constexpr (Source::kHasMinimum) {
          after[p] = _mm256_fmadd_ps(weight, minimum[p], after[p]);
        } else {
          dots = _mm256_add_epi32(dots, _mm256_set1_epi32(input.start[kGroup]));
        }
        after[p] = add_scaled(dots, factor[p], a_scale, after[p]);
      }
      for (int p = 0; p < kParts; ++p) _mm256_store_ps(own + p * kPartRows, after[p]);
    });
  }

  template <int kTokens>
  [[gnu::always_inline]] static void add_step(const __m256i (&own)[kParts], const int8_t* q,
                                              __m256i (&sums)[kTokens][kParts]) {
    const __m256i code[kParts] = {own[0], own[1]};
    wide::unrolled<kTokens>([&](auto t) __attribute__((always_inline)) {
      const __m256i four = broadcast4(q + t * Form::kStride);
      for (int p = 0; p < kParts; ++p) {
        sums[t][p] = Form::kBytes ? add_bytes(sums[t][p], code[p], four)
                                  : add_words(sums[t][p], code[p], four);
      }
    });
  }
};

}  // namespace
}  // namespace lowkey::simd::avx2
