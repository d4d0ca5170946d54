#include "engine/attend/task.h"

#include <algorithm>
#include <cmath>

#include "engine/attend/merge.h"
#include "engine/attend/version_queries.h"

namespace lowkey::engine {

namespace {

using simd::AttendState;
using simd::KvRun;
using simd::QueryBlock;

/// What a thread's tasks use one after another: a task is too short to allocate it anew.
struct WorkerScratch {
  VersionQueries version;
  std::vector<float> q, mean;
  std::vector<KvRun> runs;
  std::vector<int32_t> begin, end;
  std::vector<std::span<const std::byte>> later;
};

/// One thread's view of one task: some queries of one KV head, and the state they share.
class Worker {
 public:
  Worker(const Context& context, const AttendShape& shape, const AttendBlock& block,
         WorkerScratch& scratch)
      : context_(context),
        shape_(shape),
        cache_(*block.cache),
        rope_(*block.rope),
        layer_(block.layer),
        first_(block.first()),
        version_(scratch.version),
        q_(scratch.q),
        mean_(scratch.mean),
        runs_(scratch.runs),
        begin_(scratch.begin),
        end_(scratch.end),
        later_(scratch.later) {}

  void run(const AttendTask& task, const Queries& queries, AttendState state) {
    list_later(task);
    gather(task, queries.q);
    if (queries.mean_weights.rows > 0) gather_mean(task, queries.mean_weights);
    state_ = state;
    clear_state(state, n_queries(task), shape_.head_dim);
    scan_coded(task);
    if (task.with_exact) scan_exact(task);
  }

 private:
  int n_queries(const AttendTask& task) const { return shape_.n_queries(task); }

  /// q of the task's head, one query after another, times 1 / sqrt(d).
  void gather(const AttendTask& task, MatrixView<const float> q) {
    const int width = shape_.group() * shape_.head_dim;
    const float scale = 1.0f / std::sqrt(float(shape_.head_dim));
    q_.resize(size_t(task.positions.size() * width));
    for (int64_t i = 0; i < task.positions.size(); ++i) {
      const float* row = q.row(task.positions.begin - first_ + i) + task.head * width;
      context_.kernels->axpby(scale, row, 0, q_.data() + i * width, width);
    }
  }

  /// The same of the mean's weights: all of them, then the constants.
  void gather_mean(const AttendTask& task, MatrixView<const float> weights) {
    const float scale = 1.0f / std::sqrt(float(shape_.head_dim));
    const int n = n_queries(task), group = shape_.group();
    const int n_weights = cache_.latent_space()->n_weights(), n_rot = n_weights - 1;
    mean_.resize(size_t(n) * size_t(n_weights));
    for (int i = 0; i < n; ++i) {
      const float* row = weights.row(task.positions.begin - first_ + i / group) +
                         (task.head * group + i % group) * n_weights;
      context_.kernels->axpby(scale, row, 0, mean_.data() + i * n_rot, n_rot);
      mean_[size_t(n * n_rot + i)] = row[n_rot] * scale;
    }
  }

  /// Lets every query see its `visible(m)`, cut to `part`, of one source.
  template <class Visible>
  void scan(const AttendTask& task, const KvCache::Source& source, Range part, Visible visible) {
    const Range oldest = visible(task.positions.begin), newest = visible(task.positions.end - 1);
    int64_t begin = std::max(oldest.begin, part.begin);
    const int64_t end = std::min(newest.end, part.end);
    runs_.clear();
    int64_t first = 0;
    for (int64_t at = begin; at < end;) {
      const auto piece = source.store->piece(source.one_head ? 0 : task.head, at, end);
      if (runs_.empty()) first = piece.first;
      runs_.push_back(piece.run);
      at = piece.end;
      if (source.latent) continue;  // whose kernel takes all runs at once
      see(task, source, {piece.first, begin, at}, visible);
      runs_.clear();
      begin = at;
    }
    if (!runs_.empty()) see(task, source, {first, begin, end}, visible);
  }

  /// The beginning of what the task after this one reads of the coded tokens: of the same head from
  /// `at` on, or of the next one. Most likely the same thread gets it.
  std::span<const std::byte> after(const AttendTask& task, const KvCache::Source& source,
                                   int64_t at) const {
    const bool goes_on = !task.with_exact;
    const int head = goes_on ? task.head : task.head + 1;
    if (source.one_head || head >= shape_.n_kv_heads) return {};
    return source.store->stretch(head, goes_on ? at : cache_.n_sinks(),
                                 simd::kLatentAhead * simd::kLatentChunk);
  }

  /// Tokens of one version after another's.
  void scan_coded(const AttendTask& task) {
    const LayerVersions& versions = cache_.versions(layer_);
    KvCache::Source source = cache_.coded(layer_);
    for (int64_t at = task.coded.begin; at < task.coded.end;) {
      const int64_t end = std::min(task.coded.end, versions.end_of(at));
      source.version = versions.at(at);
      scan(task, source, {at, end}, [&](int64_t m) {
        return Range{cache_.n_sinks(), cache_.recent_begin(m)};
      });
      at = end;
    }
  }

  /// Sinks, outliers, and the recent tokens with the block's own.
  void scan_exact(const AttendTask& task) {
    const int64_t n_sinks = cache_.n_sinks();
    scan(task, cache_.sinks(layer_), {0, n_sinks}, [&](int64_t m) {
      return Range{0, std::min(n_sinks, m + 1)};
    });
    scan_outliers(task);
    if (cache_.spec().n_window == 0) return;
    const int64_t last = task.positions.end, own = cache_.block_begin();
    const auto seen = [&](int64_t m) { return Range{cache_.recent_begin(m), m + 1}; };
    scan(task, cache_.recent(layer_), {0, std::min(last, own)}, seen);
    scan(task, cache_.block(), {own, last}, seen);
  }

  /// What is read after the latents, and asked for with them: exact tokens, which no other step
  /// has left in a cache, then the task's part of what comes after all attention.
  void list_later(const AttendTask& task) {
    later_.clear();
    const int64_t last = task.positions.end - 1;
    if (task.with_exact && task.positions.size() <= simd::kTileTokens) {  // more: bound by products
      add_later(task, cache_.sinks(layer_), {0, std::min(cache_.n_sinks(), last + 1)});
      if (cache_.spec().n_window > 0) {
        const int64_t end = std::min(last + 1, cache_.block_begin());
        add_later(task, cache_.recent(layer_), {cache_.recent_begin(task.positions.begin), end});
      }
    }
    if (!task.later.empty()) later_.push_back(task.later);
  }

  /// The tiles of some exact tokens, up to the last one's value.
  void add_later(const AttendTask& task, const KvCache::Source& source, Range tokens) {
    const int64_t row = simd::kv_row_bytes(source.type, shape_.head_dim);
    for (int64_t at = tokens.begin; at < tokens.end;) {
      const auto tiles = source.store->stretch(task.head, at, tokens.end - at);
      at = source.store->piece(task.head, at, tokens.end).end;
      const int64_t unused = round_up(at, simd::kTileTokens) - at;
      later_.push_back(tiles.first(tiles.size() - size_t(unused * row)));
    }
  }

  /// Outliers lie by slot: what a query sees of them it sees instead of their codes.
  void scan_outliers(const AttendTask& task) {
    const auto seen = [&](int64_t m) {
      return cache_.outliers(layer_, task.head, cache_.n_sinks(), cache_.recent_begin(m));
    };
    const KvCache::Outliers all = seen(task.positions.end - 1);
    if (all.slots.size() == 0) return;
    scan(task, all.source, all.slots, [&](int64_t m) { return seen(m).slots; });
  }

  /// Tokens [begin, end) of a source, which `runs_` hold from position `first` on.
  struct Stretch {
    int64_t first, begin, end;
  };

  template <class Visible>
  void see(const AttendTask& task, const KvCache::Source& source, const Stretch& part,
           Visible visible) {
    const int n = n_queries(task), group = shape_.group();
    begin_.resize(size_t(n));
    end_.resize(size_t(n));
    for (int i = 0; i < n; ++i) {
      const Range seen = visible(task.positions.begin + i / group);
      const int64_t from = std::clamp(seen.begin, part.begin, part.end);
      begin_[size_t(i)] = int32_t(from - part.first);
      end_[size_t(i)] = int32_t(std::clamp(seen.end, from, part.end) - part.first);
    }
    const int d = shape_.head_dim;
    const QueryBlock block{q_.data(), begin_.data(), end_.data(), n, d, d};
    if (source.latent) {
      see_latents(task, source, part, block);
    } else {
      context_.kernels->attend(source.type, runs_[0], block, state_);
    }
  }

  void see_latents(const AttendTask& task, const KvCache::Source& source, const Stretch& part,
                   const QueryBlock& block) {
    const LatentCode& code = *source.latent;
    const size_t at = code.index(source.layer, task.head);
    simd::LatentRuns tiles{code.k[at].plan(), code.v[at].plan(), runs_.data(), int(runs_.size()),
                           nullptr};
    tiles.next = after(task, source, part.end);
    tiles.later = later_;
    simd::TurnedMean mean;
    if (code.phases) {
      const float* weights = mean_.data();
      mean = {&code.phases->phases(), rope_.row(part.first), weights,
              weights + block.n_queries * rope_.n_rot(), rope_.chunk_starts(part.first)};
      tiles.mean = &mean;
    }
    if (!source.version) {
      context_.kernels->latent_attend(tiles, block, state_);
      return;
    }
    const SideVersion& keys = source.version->k[size_t(task.head)];
    const SideVersion& values = source.version->v[size_t(task.head)];
    tiles.k.steps = keys.steps.data();
    tiles.v.steps = values.steps.data();
    const QueryBlock own = version_.enter(context_, keys, block);
    context_.kernels->latent_attend(tiles, own, version_.state());
    version_.leave(context_, values, shape_.head_dim, state_);
  }

  const Context& context_;
  const AttendShape& shape_;
  const KvCache& cache_;
  const RopeTable& rope_;
  int layer_;
  int64_t first_;  // position of the first row of queries
  AttendState state_;
  VersionQueries& version_;
  std::vector<float>&q_, &mean_;
  std::vector<KvRun>& runs_;
  std::vector<int32_t>&begin_, &end_;
  std::vector<std::span<const std::byte>>& later_;
};

}  // namespace

void run_task(const Context& context, const AttendShape& shape, const AttendBlock& block,
              const AttendTask& task, const Queries& queries, AttendState state) {
  thread_local WorkerScratch scratch;
  Worker(context, shape, block, scratch).run(task, queries, state);
}

}  // namespace lowkey::engine
