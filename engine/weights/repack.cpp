#include "engine/weights/repack.h"

#include <cstring>
#include <string>

#include "base/half.h"
#include "engine/weights/block_codes.h"

namespace lowkey::engine {

namespace {

using models::TensorView;
using simd::kBlockCols;
using simd::kPanelRows;
using simd::PanelFormat;
using simd::PanelType;

/// A row of the stacked matrix: whose tensor, and where its bytes start; nullptr for padding.
struct SourceRow {
  DType type = DType::kF32;
  const std::byte* bytes = nullptr;
};

SourceRow find_row(std::span<const TensorView* const> parts, int64_t row) {
  for (const TensorView* part : parts) {
    if (row < part->n_rows) {
      return {part->dtype, part->bytes.data() + row * dtype_bytes(part->dtype, part->n_cols)};
    }
    row -= part->n_rows;
  }
  return {};
}

void put_half(std::byte* at, float value) {
  const uint16_t h = f32_to_f16(value);
  std::memcpy(at, &h, 2);
}

/// The 32 codes of a block's row r into the vectors of panel.h, four columns at a time.
void put_codes(PanelType type, const uint8_t* row, int r, std::byte* codes) {
  const auto four = [&](int v) {
    uint32_t columns;
    std::memcpy(&columns, row + 4 * v, 4);
    return columns;
  };
  const auto put = [&](int line, uint32_t columns) {
    std::memcpy(codes + 64 * line + 4 * r, &columns, 4);
  };
  if (type == PanelType::kU8) {
    for (int v = 0; v < 8; ++v) put(v, four(v));
    return;
  }
  constexpr uint32_t kNibbles = 0x0f0f0f0f, kBits = 0x01010101, kPairs = 0x03030303;
  for (int v = 0; v < 4; ++v) put(v, (four(v) & kNibbles) | (four(v + 4) & kNibbles) << 4);
  uint32_t high = 0;
  for (int v = 0; v < 8 && type == PanelType::kU5; ++v) high |= (four(v) >> 4 & kBits) << v;
  if (type == PanelType::kU5) put(4, high);
  for (int half = 0; half < 2 && type == PanelType::kU6; ++half) {
    high = 0;
    for (int v = 0; v < 4; ++v) high |= (four(4 * half + v) >> 4 & kPairs) << 2 * v;
    put(4 + half, high);
  }
}

/// Row r of a panel's block.
void put_block_row(const PanelFormat& f, const BlockCodes& b, int r, std::byte* block) {
  const int n_sub = kBlockCols / f.scale_cols;
  for (int s = 0; s < n_sub; ++s) put_half(block + 2 * (s * kPanelRows + r), b.scale[s]);
  std::byte* at = block + 2 * kPanelRows * n_sub;
  if (f.has_minimum) {
    put_half(at + 2 * r, b.minimum);
    at += 2 * kPanelRows;
  }
  put_codes(f.type, b.code, r, at);
}

/// Row r of a panel of floats of kSize bytes.
template <int64_t kSize>
void put_floats(const std::byte* row, int64_t n_cols, int r, std::byte* panel) {
  for (int64_t c = 0; c < n_cols; ++c) {
    std::memcpy(panel + (c * kPanelRows + r) * kSize, row + c * kSize, size_t(kSize));
  }
}

void pack_panel(const PanelFormat& f, std::span<const TensorView* const> parts, int64_t panel,
                std::byte* out) {
  const int64_t n_cols = parts[0]->n_cols;
  for (int r = 0; r < kPanelRows; ++r) {
    const SourceRow row = find_row(parts, panel * kPanelRows + r);
    if (!row.bytes) continue;
    if (f.is_float()) {
      if (f.type == PanelType::kF32) {
        put_floats<4>(row.bytes, n_cols, r, out);
      } else {
        put_floats<2>(row.bytes, n_cols, r, out);
      }
      continue;
    }
    for (int64_t b = 0; b < n_cols / kBlockCols; ++b) {
      put_block_row(f, read_block(row.type, row.bytes, b), r, out + b * simd::block_bytes(f));
    }
  }
}

bool same_format(const PanelFormat& a, const PanelFormat& b) {
  return a.type == b.type && a.offset == b.offset && a.has_minimum == b.has_minimum &&
         a.scale_cols == b.scale_cols;
}

}  // namespace

bool can_stack(std::span<const TensorView* const> parts) {
  for (const TensorView* part : parts) {
    if (part->n_cols != parts[0]->n_cols) return false;
    if (!same_format(panel_format(part->dtype), panel_format(parts[0]->dtype))) return false;
  }
  return true;
}

Result<ArenaBlock> WeightStore::take(int64_t bytes, const char* what) {
  if (team_.plan().n_nodes == 1) return arena_.take(bytes, what);
  return Arena(bytes).take(bytes, what);
}

Result<PackedMatrix> pack(std::span<const TensorView* const> parts, WeightStore& store) {
  Team& team = store.team();
  PackedMatrix packed;
  packed.view.format = panel_format(parts[0]->dtype);
  packed.view.n_cols = parts[0]->n_cols;
  for (const TensorView* part : parts) packed.view.n_rows += part->n_rows;
  if (!packed.view.format.is_float() && packed.view.n_cols % kBlockCols != 0) {
    return make_error(ErrorCode::kUnsupported, parts[0]->name,
                      "expected a number of columns that is a multiple of 32, found " +
                          std::to_string(packed.view.n_cols));
  }
  const int64_t panel_size = simd::panel_bytes(packed.view.format, packed.view.n_cols);
  LK_ASSIGN(packed.storage,
            store.take(packed.view.n_panels() * panel_size, parts[0]->name.c_str()));
  packed.view.data = packed.storage.data();
  packed.bounds = node_bounds(team.plan(), packed.view.n_panels());
  constexpr int64_t kGrain = 4;
  team.parallel_for_owned(packed.bounds, kGrain, [&](Range panels, int) {
    for (int64_t p = panels.begin; p < panels.end; ++p) {
      pack_panel(packed.view.format, parts, p, packed.storage.data() + p * panel_size);
    }
  });
  return packed;
}

}  // namespace lowkey::engine
