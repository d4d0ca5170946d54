// The tile unit in plain C++, after the pseudocode of TDPBSUD and TILELOADD in Intel's manual
// (volume 2): it proves the indices of the tile kernel on processors without the unit.
#pragma once

#include <cstdint>
#include <cstring>

namespace lowkey::simd::amx {
namespace {

class EmulatedTiles {
 public:
  explicit EmulatedTiles(int k) : k_(k) {}

  void load_weights(const uint8_t* codes) { std::memcpy(weights_, codes, size_t(k_ / 4) * 64); }
  void multiply_hi(const int8_t* q, int64_t stride, int32_t* out) { multiply(q, stride, out); }
  void multiply_lo(const int8_t* q, int64_t stride, int32_t* out) { multiply(q, stride, out); }

 private:
  void multiply(const int8_t* q, int64_t stride, int32_t* out) const {
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 16; ++n) {
        int32_t sum = 0;
        for (int k = 0; k < k_; ++k) sum += q[m * stride + k] * weights_[k / 4][4 * n + k % 4];
        out[16 * m + n] = sum;
      }
    }
  }

  int k_;
  uint8_t weights_[8][64];
};

}  // namespace
}  // namespace lowkey::simd::amx
