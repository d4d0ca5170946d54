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

  void start() {
    std::memset(hi_, 0, sizeof hi_);
    std::memset(lo_, 0, sizeof lo_);
  }
  void load_codes(const uint8_t* codes, int64_t stride) {
    for (int row = 0; row < k_ / 4; ++row) std::memcpy(weights_[row], codes + row * stride, 64);
  }
  void add_hi(const int8_t* q, int64_t stride) { add(q, stride, hi_); }
  void add_lo(const int8_t* q, int64_t stride) { add(q, stride, lo_); }
  void store_hi(int32_t* out) const { std::memcpy(out, hi_, sizeof hi_); }
  void store_lo(int32_t* out) const { std::memcpy(out, lo_, sizeof lo_); }

 private:
  void add(const int8_t* q, int64_t stride, int32_t* out) const {
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 16; ++n) {
        for (int k = 0; k < k_; ++k) {
          out[16 * m + n] += q[m * stride + k] * weights_[k / 4][4 * n + k % 4];
        }
      }
    }
  }
  int k_;
  uint8_t weights_[16][64];
  int32_t hi_[256], lo_[256];
};

}  // namespace
}  // namespace lowkey::simd::amx
