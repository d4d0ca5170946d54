#include "engine/kv/tiles.h"

#include <gtest/gtest.h>

namespace lowkey::engine {
namespace {

TEST(TileStore, NamesTheMemoryOfAStretchWithinItsPage) {
  TileStore store({{64, 32}, {64, 32}}, kPageTokens);
  ASSERT_TRUE(store.prepare(0, 600).ok());
  const auto whole = store.stretch(1, 512, 128);
  EXPECT_EQ(whole.data(), store.k_part(1, 512));
  EXPECT_EQ(whole.size(), size_t{8 * 96});
  const auto cut = store.stretch(1, 500, 128);  // 12 tokens of the tile that ends the page
  EXPECT_EQ(cut.data(), store.k_part(1, 496));
  EXPECT_EQ(cut.size(), size_t{96});
  EXPECT_TRUE(store.stretch(0, 1024, 128).empty());
}

TEST(TileStore, KeepsOnePageBehindWhatItIsCutTo) {
  TileStore store({{64, 32}, {64, 32}}, kPageTokens);
  ASSERT_TRUE(store.prepare(0, 1600).ok());
  const int64_t page = store.allocated_bytes() / 4;
  const auto* next = store.k_part(0, 512);
  store.truncate(512);
  EXPECT_EQ(store.allocated_bytes(), 2 * page);
  ASSERT_TRUE(store.prepare(512, 600).ok());
  EXPECT_EQ(store.k_part(0, 512), next) << "the page that was there";
  EXPECT_TRUE(store.stretch(0, 1024, 128).empty());
  store.truncate(0);
  EXPECT_EQ(store.allocated_bytes(), page);
}

TEST(TileStore, APageThatAForkSharesIsNotWrittenTo) {
  TileStore store({{64, 32}}, kPageTokens);
  ASSERT_TRUE(store.prepare(0, 600).ok());
  *store.k_part(0, 512) = std::byte{7};
  TileStore fork = store.fork();
  store.truncate(512);
  ASSERT_TRUE(store.prepare(512, 513).ok());
  *store.k_part(0, 512) = std::byte{9};
  EXPECT_EQ(*fork.k_part(0, 512), std::byte{7});
}

}  // namespace
}  // namespace lowkey::engine
