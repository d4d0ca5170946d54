#include "base/cursor.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>

namespace lowkey {
namespace {

std::array<std::byte, 8> counting_bytes() {
  std::array<std::byte, 8> bytes;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i + 1);
  return bytes;
}

TEST(Cursor, ReadsUnalignedLittleEndianValuesInOrder) {
  const auto bytes = counting_bytes();
  Cursor cursor(bytes, "sample");
  EXPECT_EQ(*cursor.read<uint8_t>("one"), 1);
  EXPECT_EQ(*cursor.read<uint32_t>("four"), 0x05040302u);
  EXPECT_EQ(cursor.position(), 5u);
  EXPECT_EQ(cursor.remaining(), 3u);
}

TEST(Cursor, NamesFileOffsetExpectedAndFoundAtTheEnd) {
  const auto bytes = counting_bytes();
  Cursor cursor(bytes, "sample");
  ASSERT_TRUE(cursor.read<uint32_t>("head").ok());
  const auto result = cursor.read<uint64_t>("tail");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidData);
  EXPECT_EQ(result.error().message(),
            "sample at byte 4: file ends inside tail: expected 8 more bytes, found 4");
  EXPECT_EQ(cursor.position(), 4u) << "a failed read must not move";
}

TEST(Cursor, RefusesCountsThatWouldOverflowAPointer) {
  const auto bytes = counting_bytes();
  Cursor cursor(bytes, "sample");
  ASSERT_TRUE(cursor.take(3, "some").ok());
  EXPECT_FALSE(cursor.take(std::numeric_limits<uint64_t>::max(), "all").ok());
  EXPECT_FALSE(cursor.take(6, "one too many").ok());
  const auto rest = cursor.take(5, "rest");
  ASSERT_TRUE(rest.ok());
  EXPECT_EQ(rest->front(), std::byte{4});
  EXPECT_TRUE(cursor.take(0, "nothing").ok());
  EXPECT_FALSE(cursor.read<uint8_t>("one more").ok());
}

}  // namespace
}  // namespace lowkey
