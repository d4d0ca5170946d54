#include "base/buffer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <utility>

#include "base/dtype.h"

namespace lowkey {
namespace {

TEST(Buffer, IsAlignedAndZeroed) {
  for (const int64_t n : {1, 63, 64, 65, 5000, 3 << 20}) {
    auto bytes = ByteBuffer::allocate(n, "test");
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(bytes->size(), n);
    EXPECT_EQ(uintptr_t(bytes->data()) % 64, 0u);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(bytes->data()[i], std::byte{0});
  }
}

TEST(Buffer, RefusesAbsurdSizesAndNamesTheUse) {
  for (const int64_t n :
       {int64_t{-1}, (int64_t{1} << 46) + 1, std::numeric_limits<int64_t>::max()}) {
    const auto bytes = ByteBuffer::allocate(n, "KV cache");
    ASSERT_FALSE(bytes.ok());
    EXPECT_EQ(bytes.error().code, ErrorCode::kOutOfMemory);
    EXPECT_EQ(bytes.error().where, "KV cache");
  }
}

TEST(Buffer, RefusesCountsWhoseBytesOverflow) {
  EXPECT_FALSE(Buffer<float>::allocate((int64_t{1} << 62) + 1, "test").ok());
}

TEST(Buffer, CountsElementsAndMoves) {
  auto allocated = Buffer<float>::allocate(10, "test");
  ASSERT_TRUE(allocated.ok());
  Buffer<float> a = std::move(allocated).value();
  a[9] = 3;
  const float* data = a.data();
  const Buffer<float> b = std::move(a);
  EXPECT_EQ(b.size(), 10);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(b[9], 3);
}

TEST(DType, CountsBytesOfWholeBlocks) {
  EXPECT_EQ(dtype_bytes(DType::kF32, 3), 12);
  EXPECT_EQ(dtype_bytes(DType::kQ4_1, 64), 40);
  EXPECT_EQ(dtype_bytes(DType::kQ6_K, 512), 420);
}

}  // namespace
}  // namespace lowkey
