#include "base/buffer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/arena.h"
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

TEST(Buffer, ReservesZeroedMemoryToo) {
  for (const int64_t n : {1, 4096, 5000, 3 << 20}) {
    auto bytes = ByteBuffer::reserve(n, "test");
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(bytes->size(), n);
    EXPECT_EQ(uintptr_t(bytes->data()) % (n < 3 << 20 ? 4096 : 2 << 20), 0u);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(bytes->data()[i], std::byte{0});
    std::memset(bytes->data(), 1, size_t(n));
    const ByteBuffer moved = std::move(bytes).value();
    EXPECT_EQ(moved.data()[n - 1], std::byte{1});
  }
  EXPECT_EQ(ByteBuffer::reserve(0, "test")->data(), nullptr);
  EXPECT_EQ(ByteBuffer::reserve(-1, "KV cache").error().where, "KV cache");
}

TEST(Arena, PutsBlocksBesideEachOtherAndKeepsThemAlive) {
  std::optional<Arena> arena(int64_t{1} << 20);
  std::vector<ArenaBlock> blocks;
  for (const int64_t n : {100, 64, 1, 700000, 400000, 3 << 20, 5}) {
    auto block = arena->take(n, "test");
    ASSERT_TRUE(block.ok());
    EXPECT_EQ(block->size(), n);
    EXPECT_EQ(uintptr_t(block->data()) % 64, 0u);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(block->data()[i], std::byte{0});
    std::memset(block->data(), int(blocks.size()) + 1, size_t(n));
    blocks.push_back(*block);
  }
  EXPECT_EQ(blocks[1].data() - blocks[0].data(), 128);
  EXPECT_EQ(blocks[2].data() - blocks[1].data(), 64);
  EXPECT_EQ(arena->take(-1, "KV cache").error().where, "KV cache");
  EXPECT_FALSE(arena->take(std::numeric_limits<int64_t>::max(), "test").ok());
  arena.reset();
  for (size_t b = 0; b < blocks.size(); ++b) {
    for (int64_t i = 0; i < blocks[b].size(); ++i) {
      ASSERT_EQ(blocks[b].data()[i], std::byte(b + 1)) << "block " << b;
    }
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
