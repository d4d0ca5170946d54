#include "engine/attend/attend.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/attend/split.h"
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
        cache_(block.cache),
        rope_(block.rope),
        layer_(block.layer) {}

  void run(const AttendTask& task, const Queries& queries, AttendState state) {
    gather(task, queries.q);
    if (queries.mean_weights.rows > 0) gather_mean(task, queries.mean_weights);
    state_ = state;
    const int n = n_queries(task);
    std::fill_n(state.max, n, -std::numeric_limits<float>::infinity());
    std::fill_n(state.sum, n, 0.0f);
    std::fill_n(state.out, n * shape_.head_dim, 0.0f);
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
      see_latents(task, source, part.first, block);
    } else {
      context_.kernels->attend(source.type, runs_[0], block, state_);
    }
  }

  void see_latents(const AttendTask& task, const KvCache::Source& source, int64_t first,
                   const QueryBlock& block) {
    const LatentCode& code = *source.latent;
    const size_t at = code.index(source.layer, task.head);
    simd::LatentRuns tiles{code.k[at].plan(), code.v[at].plan(), runs_.data(), int(runs_.size()),
                           nullptr};
    simd::TurnedMean mean;
    if (code.phases) {
      const float* weights = mean_.data();
      mean = {&code.phases->phases(), rope_.row(first), weights,
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

AttendState state_of(float* memory, int n_queries) {
  return {memory, memory + n_queries, memory + 2 * n_queries};
}

/// Joins the splits of one head and query block: states [n_splits] into rows of `out`.
void merge(const AttendShape& shape, const AttendPlan& plan, const AttendTask& task,
           float* partials, int64_t first_position, MatrixView<float> out) {
  const int d = shape.head_dim, group = shape.group(), n = int(task.positions.size()) * group;
  for (int i = 0; i < n; ++i) {
    float top = -std::numeric_limits<float>::infinity();
    for (int s = 0; s < plan.n_splits; ++s) {
      top = std::max(top, state_of(partials + s * plan.partial_floats, n).max[i]);
    }
    float* row = out.row(task.positions.begin - first_position + i / group) +
                 (task.head * group + i % group) * d;
    std::fill_n(row, d, 0.0f);
    float sum = 0.0f;
    for (int s = 0; s < plan.n_splits; ++s) {
      const AttendState part = state_of(partials + s * plan.partial_floats, n);
      const float weight = std::exp(part.max[i] - top);
      sum += weight * part.sum[i];
      for (int c = 0; c < d; ++c) row[c] += weight * part.out[i * d + c];
    }
    for (int c = 0; c < d; ++c) row[c] /= sum;
  }
}

/// The queries in the cache's space, where attention takes place.
Queries enter_space(const Context& context, const AttendShape& shape, const AttendBlock& block,
                    AttendScratch& scratch) {
  const MatrixView<float> q = block.q;
  const MatrixView<const float> rows{q.data, q.rows, q.cols, q.stride};
  Queries queries{rows, {}};
  const LatentSpace* latents = block.cache.latent_space();
  if (latents && latents->mean_turns()) {
    const int64_t cols = int64_t{shape.n_heads} * latents->n_weights();
    scratch.mean_weights.resize(size_t(q.rows * cols));
    const auto weights = matrix(scratch.mean_weights.data(), q.rows, cols);
    latents->mean_weights(block.layer, rows, weights);
    queries.mean_weights = {weights.data, weights.rows, weights.cols, weights.stride};
  }
  if (block.cache.space()) block.cache.space()->queries(context, block.layer, q);
  return queries;
}

}  // namespace

void attend(const Context& context, const AttendShape& shape, const AttendBlock& block,
            AttendScratch& scratch) {
  const KvCache& cache = block.cache;
  const Queries queries = enter_space(context, shape, block, scratch);
  const int64_t first = cache.n_tokens();
  const AttendPlan plan = plan_attention(shape, first, block.q.rows);
  scratch.partials.resize(size_t(plan.n_tasks() * plan.partial_floats));
  context.team->parallel_for(plan.n_tasks(), 1, [&](Range tasks, int) {
    Worker worker(context, shape, block);
    for (int64_t i = tasks.begin; i < tasks.end; ++i) {
      const AttendTask task = plan.task(i);
      worker.run(
          task, queries,
          state_of(scratch.partials.data() + i * plan.partial_floats, worker.n_queries(task)));
    }
  });
  context.team->parallel_for(plan.n_tasks() / plan.n_splits, 4, [&](Range groups, int) {
    for (int64_t g = groups.begin; g < groups.end; ++g) {
      merge(shape, plan, plan.task(g * plan.n_splits),
            scratch.partials.data() + g * plan.n_splits * plan.partial_floats, first, block.out);
    }
  });
  if (cache.space()) cache.space()->outputs(context, block.layer, block.out);
}

}  // namespace lowkey::engine
