// The generation loop: tokens from a session until a stop rule holds.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "engine/sample/sampler.h"

namespace lowkey::engine {

struct GenerateOptions {
  int64_t n_tokens = -1;  // at most; -1: until the context is full
  SamplerOptions sampler;
  std::function<bool(int32_t)> is_end;    // end-of-text tokens; they are not passed on
  std::function<bool(int32_t)> on_token;  // false stops
};

struct GenerateResult {
  std::vector<int32_t> tokens;
  double prompt_seconds = 0;
  double decode_seconds = 0;
  int64_t n_prompt = 0;
  bool context_full = false;
};

/// Feeds `prompt`, then generates. `history`: what the session holds already, for the penalty.
Result<GenerateResult> generate(Session& session, std::span<const int32_t> history,
                                std::span<const int32_t> prompt, const GenerateOptions& options);

}  // namespace lowkey::engine
