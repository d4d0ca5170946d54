// What rows do by themselves: all of a block together, or pieces of it on one thread each.
#include <algorithm>

#include "engine/decoder/step.h"
#include "engine/kv/parts.h"

namespace lowkey::engine {

namespace {

// Rows of a piece: a thread keeps everything between two products of so many (a row of 1,536 hidden
// columns takes 18 KB) in its second-level cache.
constexpr int64_t kPieceRows = kTokenTile;

/// Whether pieces cost nothing: threads would share out rows, not weights, in every product, and
/// weights need no preparation that many rows would share.
bool may_cut(const LayerWeights& w, const Context& context, int64_t n_rows) {
  if (!shares_out_tokens(context, n_rows)) return false;
  const auto as_they_are = [&](const Linear& m) { return m.reads_panels(context, kPieceRows); };
  return as_they_are(w.qkv) && as_they_are(w.o) && as_they_are(w.gate_up) && as_they_are(w.down);
}

}  // namespace

void Decoder::by_rows(int index, Step& step, FunctionRef<void(Step&)> work) const {
  const int64_t n_rows = step.x.rows;
  if (step.observer || !may_cut(weights_.layers[size_t(index)], step.context, n_rows)) {
    return work(step);
  }
  Context alone = step.context;
  alone.team = &caller_alone();
  const auto piece = [&](Range rows, int thread) {
    // What nobody reads afterwards lies in the thread's own rows, whose number is below n_rows.
    const Range own{thread * kPieceRows, thread * kPieceRows + rows.size()};
    Step part{alone,
              step.rope,
              step.scratch,
              nullptr,
              step.positions.subspan(size_t(rows.begin), size_t(rows.size())),
              step.scratch.activations.rows(own.begin),
              rows_of(step.x, rows),
              rows_of(step.normed, own),
              rows_of(step.q, rows),
              rows_of(step.k, rows),
              rows_of(step.v, rows),
              rows_of(step.attended, rows),
              rows_of(step.gate_up, own),
              rows_of(step.hidden, own)};
    work(part);
  };
  step.context.team->parallel_for(ceil_div(n_rows, kPieceRows), 1, [&](Range pieces, int thread) {
    for (int64_t i = pieces.begin; i < pieces.end; ++i) {
      piece({i * kPieceRows, std::min((i + 1) * kPieceRows, n_rows)}, thread);
    }
  });
}

}  // namespace lowkey::engine
