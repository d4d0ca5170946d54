#include "engine/attend/attend.h"

#include <algorithm>
#include <cmath>

#include "engine/attend/merge.h"
#include "engine/attend/side_by_side.h"
#include "engine/attend/version_queries.h"

namespace lowkey::engine {

namespace {

using simd::AttendState;
using simd::KvRun;
using simd::QueryBlock;

/// Queries of a block, and what the turned mean of the keys gives to their scores (or no rows).
struct Queries {
  MatrixView<const float> q;             // [n, n_heads * head_dim]
  MatrixView<const float> mean_weights;  // [n, n_heads * n_weights]
};

/// One thread's view of one task: some queries of one KV head, and the state they share.
class Worker {
 public:
  Worker(const Context& context, const AttendShape& shape, const AttendBlock& block)
      : context_(context),
        shape_(shape),
        cache_(*block.cache),
        rope_(*block.rope),
        layer_(block.layer) {}

  void run(const AttendTask& task, const Queries& queries, AttendState state) {
    gather(task, queries.q);
    if (queries.mean_weights.rows > 0) gather_mean(task, queries.mean_weights);
    state_ = state;
    clear_state(state, n_queries(task), shape_.head_dim);
    const int64_t n_sinks = cache_.n_sinks();
    if (task.with_exact) {
      scan(task, cache_.sinks(layer_), {0, n_sinks}, [&](int64_t m) {
        return Range{0, std::min(n_sinks, m + 1)};
      });
    }
    scan_coded(task);
    if (task.with_exact) scan_outliers(task);
    if (!task.with_exact || cache_.spec().n_window == 0) return;
    const int64_t last = task.positions.end, own = cache_.block_begin();
    scan(task, cache_.recent(layer_), {0, std::min(last, own)}, [&](int64_t m) {
      return Range{cache_.recent_begin(m), m + 1};
    });
    scan(task, cache_.block(), {own, last}, [&](int64_t m) {
      return Range{cache_.recent_begin(m), m + 1};
    });
  }

  int n_queries(const AttendTask& task) const {
    return int(task.positions.size()) * shape_.group();
  }

 private:
  /// q of the task's head, one query after another, times 1 / sqrt(d).
  void gather(const AttendTask& task, MatrixView<const float> q) {
    const int width = shape_.group() * shape_.head_dim;
    const float scale = 1.0f / std::sqrt(float(shape_.head_dim));
    q_.resize(size_t(task.positions.size() * width));
    for (int64_t i = 0; i < task.positions.size(); ++i) {
      const float* row = q.row(task.positions.begin - cache_.n_tokens() + i) + task.head * width;
      for (int c = 0; c < width; ++c) q_[size_t(i * width + c)] = row[c] * scale;
    }
  }

  /// The same of the mean's weights: all of them, then the constants.
  void gather_mean(const AttendTask& task, MatrixView<const float> weights) {
    const float scale = 1.0f / std::sqrt(float(shape_.head_dim));
    const int n = n_queries(task), group = shape_.group();
    const int n_weights = cache_.latent_space()->n_weights(), n_rot = n_weights - 1;
    mean_.resize(size_t(n) * size_t(n_weights));
    for (int i = 0; i < n; ++i) {
      const float* row = weights.row(task.positions.begin - cache_.n_tokens() + i / group) +
                         (task.head * group + i % group) * n_weights;
      for (int c = 0; c < n_rot; ++c) mean_[size_t(i * n_rot + c)] = row[c] * scale;
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
    return source.store->stretch(head, goes_on ? at : cache_.n_sinks(), simd::kLatentChunk);
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
    simd::TurnedMean mean;
    if (code.phases) {
      const float* weights = mean_.data();
      mean = {&code.phases->phases(), rope_.row(part.first), weights,
              weights + block.n_queries * rope_.n_rot()};
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
  AttendState state_;
  VersionQueries version_;
  std::vector<float> q_, mean_;
  std::vector<KvRun> runs_;
  std::vector<int32_t> begin_, end_;
};

/// The queries into the cache's space, where attention takes place.
void enter_space(const Context& context, const AttendShape& shape, const AttendBlock& block,
                 AttendPart& part) {
  const MatrixView<float> q = block.q;
  const LatentSpace* latents = block.cache->latent_space();
  if (latents && latents->mean_turns()) {
    const int64_t cols = int64_t{shape.n_heads} * latents->n_weights();
    part.mean_weights.resize(size_t(q.rows * cols));
    latents->mean_weights(block.layer, {q.data, q.rows, q.cols, q.stride},
                          matrix(part.mean_weights.data(), q.rows, cols));
  }
  if (block.cache->space()) block.cache->space()->queries(context, block.layer, q);
}

Queries queries_of(const AttendShape& shape, const AttendBlock& block, const AttendPart& part) {
  const MatrixView<float>& q = block.q;
  Queries queries{{q.data, q.rows, q.cols, q.stride}, {}};
  const LatentSpace* latents = block.cache->latent_space();
  if (latents && latents->mean_turns()) {
    queries.mean_weights = matrix<const float>(part.mean_weights.data(), q.rows,
                                               int64_t{shape.n_heads} * latents->n_weights());
  }
  return queries;
}

/// Plans every block and lists all tasks, each memory node's own side by side.
void list_tasks(const Team& team, const AttendShape& shape, std::span<const AttendBlock> blocks,
                AttendScratch& scratch) {
  if (scratch.parts.size() < blocks.size()) scratch.parts.resize(blocks.size());
  scratch.tasks.clear();
  int64_t n_floats = 0;
  for (size_t b = 0; b < blocks.size(); ++b) {
    AttendPart& part = scratch.parts[b];
    part.plan = plan_attention(shape, blocks[b].cache->n_tokens(), blocks[b].q.rows);
    part.first_float = n_floats;
    n_floats += part.plan.n_tasks() * part.plan.partial_floats;
    for (int64_t i = 0; i < part.plan.n_tasks(); ++i) {
      scratch.tasks.push_back(part.plan.task(i));
      scratch.tasks.back().block = int(b);
    }
  }
  scratch.partials.resize(size_t(n_floats));
  scratch.bounds = {0, int64_t(scratch.tasks.size())};
  if (team.plan().n_nodes > 1) {
    sort_by_node(team.plan(), shape.n_kv_heads, scratch.tasks, scratch.bounds);
  }
}

/// Joins a block's splits, and leads its rows out of the cache's space.
void finish(const Context& context, const AttendShape& shape, const AttendBlock& block,
            const AttendPart& part, float* partials) {
  const AttendPlan& plan = part.plan;
  context.team->parallel_for(plan.n_tasks() / plan.n_splits, 4, [&](Range groups, int) {
    for (int64_t g = groups.begin; g < groups.end; ++g) {
      merge_splits(shape, plan, plan.task(g * plan.n_splits),
                   partials + part.first_float + g * plan.n_splits * plan.partial_floats,
                   block.out);
    }
  });
  if (block.cache->space()) block.cache->space()->outputs(context, block.layer, block.out);
}

}  // namespace

void attend(const Context& context, const AttendShape& shape, std::span<const AttendBlock> blocks,
            AttendScratch& scratch) {
  list_tasks(*context.team, shape, blocks, scratch);
  const auto rows = [&](size_t b) { return blocks[b].q.rows; };
  const auto in_space = [](const AttendBlock& block) { return block.cache->space() != nullptr; };
  if (std::any_of(blocks.begin(), blocks.end(), in_space)) {
    side_by_side(context, blocks.size(), rows, [&](const Context& c, size_t b) {
      enter_space(c, shape, blocks[b], scratch.parts[b]);
    });
  }
  context.team->parallel_for_owned(scratch.bounds, 1, [&](Range tasks, int) {
    for (int64_t i = tasks.begin; i < tasks.end; ++i) {
      const AttendTask& task = scratch.tasks[size_t(i)];
      const AttendPart& part = scratch.parts[size_t(task.block)];
      const AttendBlock& block = blocks[size_t(task.block)];
      float* partials =
          scratch.partials.data() + part.first_float + task.index * part.plan.partial_floats;
      Worker worker(context, shape, block);
      worker.run(task, queries_of(shape, block, part), state_of(partials, worker.n_queries(task)));
    }
  });
  side_by_side(context, blocks.size(), rows, [&](const Context& c, size_t b) {
    finish(c, shape, blocks[b], scratch.parts[b], scratch.partials.data());
  });
}

}  // namespace lowkey::engine
