// What comes before a block's attention: its rows into the cache, its queries into the cache's
// space, where attention takes place.
#pragma once

#include "engine/attend/attend.h"

namespace lowkey::engine {

/// Carries everything of every block to where attention reads it; scratch.parts is there for all.
void enter(const Context& context, const AttendShape& shape, std::span<const AttendBlock> blocks,
           AttendScratch& scratch);

}  // namespace lowkey::engine
