// `lowkey bench --predict`: speeds of a model on a machine, from bytes and products alone.
#pragma once

#include "apps/bench/options.h"

namespace lowkey::apps {

Status run_predict(const BenchOptions& options);

}  // namespace lowkey::apps
