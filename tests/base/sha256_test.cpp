// NIST's example vectors (FIPS 180-4) and the edges of the padding.
#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string>

namespace lowkey {
namespace {

std::string hex_of(const std::string& text) { return sha256_hex(std::as_bytes(std::span(text))); }

TEST(Sha256, NistVectors) {
  EXPECT_EQ(hex_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex_of("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
                   "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(hex_of(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesOfAnySizeGiveTheSameDigest) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += char(i * 7);
  const std::string whole = hex_of(text);
  for (size_t step : {1, 3, 55, 56, 63, 64, 65, 128, 299}) {
    Sha256 hash;
    for (size_t at = 0; at < text.size(); at += step) {
      hash.update(std::as_bytes(std::span(text).subspan(at, std::min(step, text.size() - at))));
    }
    EXPECT_EQ(to_hex(hash.finish()), whole) << "step " << step;
  }
}

}  // namespace
}  // namespace lowkey
