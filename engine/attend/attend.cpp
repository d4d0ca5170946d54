#include "engine/attend/attend.h"

#include <algorithm>
#include <atomic>

#include "engine/attend/enter.h"
#include "engine/attend/merge.h"
#include "engine/attend/side_by_side.h"
#include "engine/attend/task.h"

namespace lowkey::engine {

namespace {

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
  scratch.left.clear();
  for (size_t b = 0; b < blocks.size(); ++b) {
    AttendPart& part = scratch.parts[b];
    part.plan = plan_attention(shape, blocks[b].first(), blocks[b].q.rows, team.plan().n_nodes);
    part.first_float = n_floats;
    if (part.plan.n_splits > 1) n_floats += part.plan.n_tasks() * part.plan.partial_floats;
    part.first_group = int64_t(scratch.left.size());
    scratch.left.resize(scratch.left.size() + size_t(part.plan.n_groups()), part.plan.n_splits);
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

/// Tasks go to the threads in order, as their later work does: each thread's ask for the beginning
/// of its share, which must leave the latents room in the second-level cache.
void share_out(std::span<const std::byte> later, int n_threads, std::vector<AttendTask>& tasks) {
  if (later.empty()) return;
  for (int thread = 0; thread < n_threads; ++thread) {
    const Range share = part_of(int64_t(later.size()), thread, n_threads);
    const Range own = part_of(int64_t(tasks.size()), thread, n_threads);
    const int64_t n = std::min(share.size(), Team::kFetchBytes);
    for (int64_t i = 0; i < own.size(); ++i) {
      const Range part = part_of(n, i, own.size());
      tasks[size_t(own.begin + i)].later =
          later.subspan(size_t(share.begin + part.begin), size_t(part.size()));
    }
  }
}

/// Joins the splits of a group, and leads a single row out of the cache's space.
void finish_group(const Context& context, const AttendShape& shape, const AttendBlock& block,
                  const AttendPlan& plan, const AttendTask& task, float* partials) {
  const KvSpace* space = block.cache->space();
  const bool leads_out = space && block.out.rows == 1;
  if (leads_out) space->ask_outputs(block.layer, task.head);
  merge_splits(context, shape, plan, task, partials, block.out);
  if (!leads_out) return;
  const int d = shape.head_dim, group = shape.group();
  float* own = block.out.row(0) + int64_t{task.head} * group * d;
  space->output_head(context, block.layer, task.head, matrix(own, group, d));
}

/// One task; the last of its group finishes that.
void work_on(const Context& context, const AttendShape& shape, const AttendBlock& block,
             const AttendTask& task, AttendScratch& scratch) {
  const AttendPart& part = scratch.parts[size_t(task.block)];
  const AttendPlan& plan = part.plan;
  const int64_t group = task.index / plan.n_splits;
  const Queries queries = queries_of(shape, block, part);
  if (plan.n_splits == 1) {
    thread_local std::vector<float> partial;  // nobody else's, and in this thread's cache
    partial.resize(size_t(plan.partial_floats));
    run_task(context, shape, block, task, queries, state_of(partial.data(), shape.n_queries(task)));
    return finish_group(context, shape, block, plan, task, partial.data());
  }
  float* partials = scratch.partials.data() + part.first_float;
  run_task(context, shape, block, task, queries,
           state_of(partials + task.index * plan.partial_floats, shape.n_queries(task)));
  std::atomic_ref<int> left(scratch.left[size_t(part.first_group + group)]);
  if (left.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  finish_group(context, shape, block, plan, task,
               partials + group * plan.n_splits * plan.partial_floats);
}

}  // namespace

void attend(const Context& context, const AttendShape& shape, std::span<const AttendBlock> blocks,
            AttendScratch& scratch, std::span<const std::byte> later) {
  list_tasks(*context.team, shape, blocks, scratch);
  share_out(later, context.team->size(), scratch.tasks);
  enter(context, shape, blocks, scratch);
  context.team->parallel_for_owned(scratch.bounds, 1, [&](Range tasks, int) {
    for (int64_t i = tasks.begin; i < tasks.end; ++i) {
      const AttendTask& task = scratch.tasks[size_t(i)];
      work_on(context, shape, blocks[size_t(task.block)], task, scratch);
    }
  });
  const auto many = [](const AttendBlock& b) { return b.cache->space() && b.out.rows > 1; };
  if (std::none_of(blocks.begin(), blocks.end(), many)) return;
  const auto rows = [&](size_t b) { return blocks[b].q.rows; };
  side_by_side(context, blocks.size(), rows, [&](const Context& c, size_t b) {
    const AttendBlock& block = blocks[b];
    if (many(block)) block.cache->space()->outputs(c, block.layer, block.out);
  });
}

}  // namespace lowkey::engine
