#include "engine/kv/outliers.h"

#include <algorithm>

namespace lowkey::engine {

namespace {

constexpr int kPageSlots = 64;
constexpr int kGainCodesPerOctave = 16;
static_assert(OutlierTokens::kFarGain == 2, "one octave of gain codes");

int median(std::array<uint8_t, OutlierTokens::kUsualTokens> codes) {
  const auto middle = codes.begin() + codes.size() / 2;
  std::nth_element(codes.begin(), middle, codes.end());
  return *middle;
}

}  // namespace

OutlierTokens::OutlierTokens(int n_heads, TileShape exact, double share, int64_t first)
    : heads_(size_t(n_heads)), exact_(exact), share_(share), first_(first) {
  for (Head& head : heads_) head.store = TileStore({exact}, kPageSlots);
}

Status OutlierTokens::prepare(int64_t begin, int64_t end) {
  for (int h = 0; h < int(heads_.size()); ++h) {
    const int64_t most = std::min(int64_t(share_ * double(end)), n(h) + end - begin);
    if (n(h) < most) LK_RETURN_IF_ERROR(store(h).prepare(n(h), most));
  }
  return {};
}

bool OutlierTokens::take(int head, int64_t position, uint8_t key_gain, uint8_t value_gain) {
  Head& own = heads_[size_t(head)];
  const std::array<uint8_t, 2> gains{key_gain, value_gain};
  const int64_t at = position - first_;
  if (at < 0) return false;
  if (at < kUsualTokens) {
    for (size_t side = 0; side < 2; ++side) {
      own.first_gains[side][size_t(at)] = gains[side];
      if (at == kUsualTokens - 1) own.usual[side] = median(own.first_gains[side]);
    }
    return false;
  }
  const bool far = int(key_gain) >= own.usual[0] + kGainCodesPerOctave ||
                   int(value_gain) >= own.usual[1] + kGainCodesPerOctave;
  if (!far || double(n(head) + 1) > share_ * double(position + 1)) return false;
  own.positions.push_back(int32_t(position));
  return true;
}

void OutlierTokens::truncate(int64_t n) {
  for (Head& head : heads_) {
    const auto kept = std::ranges::lower_bound(head.positions, n);
    head.positions.erase(kept, head.positions.end());
    head.store.truncate(int64_t(head.positions.size()));
  }
}

int64_t OutlierTokens::n() const {
  int64_t sum = 0;
  for (int h = 0; h < int(heads_.size()); ++h) sum += n(h);
  return sum;
}

int64_t OutlierTokens::bytes_per_token() const {
  return exact_.bytes() / simd::kTileTokens + int64_t(sizeof(int32_t));
}

Range OutlierTokens::slots(int head, int64_t begin, int64_t end) const {
  const std::vector<int32_t>& positions = heads_[size_t(head)].positions;
  const auto first = std::ranges::lower_bound(positions, begin);
  const auto last = std::ranges::lower_bound(positions, std::max(begin, end));
  return {first - positions.begin(), last - positions.begin()};
}

}  // namespace lowkey::engine
