// SHA-256 (FIPS 180-4): names a model file or a token stream by its content.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace lowkey {

/// Streaming hash: update() any number of times, then finish() once.
class Sha256 {
 public:
  void update(std::span<const std::byte> bytes);
  /// The 32-byte digest; the object must not be used afterwards.
  std::array<uint8_t, 32> finish();

 private:
  void compress(const uint8_t* block);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> pending_{};
  uint64_t n_bytes_ = 0;
};

/// Lower-case hexadecimal of a digest.
std::string to_hex(std::span<const uint8_t> digest);

/// Digest of `bytes` in lower-case hexadecimal, as `sha256sum` prints it.
std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace lowkey
