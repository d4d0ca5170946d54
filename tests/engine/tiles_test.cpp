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
  store.truncate(512);
  EXPECT_TRUE(store.stretch(0, 512, 128).empty());
}

}  // namespace
}  // namespace lowkey::engine
