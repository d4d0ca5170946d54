#include "engine/attend/enter.h"

#include "engine/attend/side_by_side.h"

namespace lowkey::engine {

namespace {

/// What the turned means take of a block's queries; none where means do not turn.
MatrixView<float> mean_weights(const AttendShape& shape, const AttendBlock& block,
                               AttendPart& part) {
  const LatentSpace* latents = block.cache->latent_space();
  if (!latents || !latents->mean_turns()) return {};
  const int64_t cols = int64_t{shape.n_heads} * latents->n_weights();
  part.mean_weights.resize(size_t(block.q.rows * cols));
  return matrix(part.mean_weights.data(), block.q.rows, cols);
}

/// A block's rows, then its queries.
void enter_block(const Context& context, const AttendShape& shape, const AttendBlock& block,
                 AttendPart& part) {
  KvCache& cache = *block.cache;
  if (block.rows.k.rows > 0) cache.write(context, block.layer, *block.rope, block.rows);
  if (cache.latent_space()) {
    const MatrixView<float> weights = mean_weights(shape, block, part);
    cache.latent_space()->queries(context, block.layer, block.q, weights);
  } else if (cache.space()) {
    cache.space()->queries(context, block.layer, block.q);
  }
}

/// Single rows, of one sequence or of many. Their work comes in pieces, those of the heads' keys
/// and values, then those of their queries, as their matrices lie in memory. A thread that has
/// several sequences leads all of them through one piece after another, so that a matrix serves
/// every one while it lies in the innermost cache; they are those whose attention it begins with.
class SingleRows {
 public:
  SingleRows(const Context& context, const AttendShape& shape, std::span<const AttendBlock> blocks,
             AttendScratch& scratch)
      : context_(context), shape_(shape), blocks_(blocks), scratch_(scratch) {
    alone_.team = &caller_alone();
  }

  void enter() {
    const auto n = int64_t(scratch_.single.size());
    const int n_pieces = n_sides_ + shape_.n_kv_heads, n_threads = context_.team->size();
    if (n == 0) return;
    for (const int b : scratch_.single) {
      mean_weights(shape_, blocks_[size_t(b)], scratch_.parts[size_t(b)]);
    }
    if (n < n_threads) {
      context_.team->parallel_for(n_pieces * n, 1, [&](Range items, int) {
        for (int64_t i = items.begin; i < items.end; ++i) enter_piece(i % n, int(i / n));
      });
      return written({0, n});
    }
    context_.team->parallel_for(n, ceil_div(n, n_threads), [&](Range own, int) {
      for (int piece = 0; piece < n_pieces; ++piece) {
        for (int64_t row = own.begin; row < own.end; ++row) {
          if (row + 1 < own.end) ask(row + 1, piece);
          enter_piece(row, piece);
        }
      }
      written(own);
    });
  }

 private:
  const AttendBlock& block_of(int64_t row) const {
    return blocks_[size_t(scratch_.single[size_t(row)])];
  }

  /// Where a head's row goes, its tiles in memory, when its key is next.
  void ask(int64_t row, int piece) const {
    const AttendBlock& block = block_of(row);
    if (piece < n_sides_ && piece % 2 == 0) block.cache->ask_row(block.layer, piece / 2);
  }

  void enter_piece(int64_t row, int piece) {
    const AttendBlock& block = block_of(row);
    if (piece >= n_sides_) return enter_queries(row, piece - n_sides_);
    block.cache->write_side(alone_, block.layer, *block.rope, block.rows, piece);
  }

  void written(Range rows) const {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const AttendBlock& block = block_of(row);
      block.cache->written(alone_, block.layer, block.rows);
    }
  }

  void enter_queries(int64_t row, int head) {
    const AttendBlock& block = block_of(row);
    const LatentSpace& latents = *block.cache->latent_space();
    const int group = shape_.group(), d = shape_.head_dim, first = head * group;
    MatrixView<float> weights;
    if (latents.mean_turns()) {
      const int n_weights = latents.n_weights();
      AttendPart& part = scratch_.parts[size_t(scratch_.single[size_t(row)])];
      weights = matrix(part.mean_weights.data() + first * n_weights, group, n_weights);
    }
    latents.query_head(alone_, block.layer, head, matrix(block.q.row(0) + first * d, group, d),
                       weights);
  }

  const Context& context_;
  Context alone_ = context_;
  const AttendShape& shape_;
  std::span<const AttendBlock> blocks_;
  AttendScratch& scratch_;
  int n_sides_ = 2 * shape_.n_kv_heads;
};

}  // namespace

void enter(const Context& context, const AttendShape& shape, std::span<const AttendBlock> blocks,
           AttendScratch& scratch) {
  scratch.single.clear();
  scratch.several.clear();
  for (size_t b = 0; b < blocks.size(); ++b) {
    const AttendBlock& block = blocks[b];
    if (!block.cache->space() && block.rows.k.rows == 0) continue;
    const bool single = block.cache->n_sides(block.rows.k.rows) > 0;
    (single ? scratch.single : scratch.several).push_back(int(b));
  }
  SingleRows(context, shape, blocks, scratch).enter();
  const std::vector<int>& several = scratch.several;
  side_by_side(
      context, several.size(), [&](size_t i) { return blocks[size_t(several[i])].q.rows; },
      [&](const Context& c, size_t i) {
        const auto b = size_t(several[i]);
        enter_block(c, shape, blocks[b], scratch.parts[b]);
      });
}

}  // namespace lowkey::engine
