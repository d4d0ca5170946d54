// States of attention over parts of a context, and what they come to together.
#pragma once

#include "engine/attend/attend.h"
#include "engine/attend/split.h"
#include "simd/kernel_set.h"

namespace lowkey::engine {

/// The state of n_queries in plan.partial_floats floats: max, sum, out.
simd::AttendState state_of(float* memory, int n_queries);

/// A state of n queries that have seen nothing; d: floats of one of `out`.
void clear_state(const simd::AttendState& state, int n_queries, int d);

/// Joins the splits of one head and query block: states [n_splits], whose maxima are lost, into
/// rows of `out`.
void merge_splits(const Context& context, const AttendShape& shape, const AttendPlan& plan,
                  const AttendTask& task, float* partials, MatrixView<float> out);

}  // namespace lowkey::engine
