// The tokens that a calibration runs on.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "calib/checkpoint.h"
#include "engine/engine.h"
#include "models/tokenizer/tokenizer.h"

namespace lowkey::apps {

struct TextSplit {
  std::vector<int32_t> learn, held_back;  // whole chunks
};

/// About `n_tokens` of a text file, cut to whole chunks and spread over the file: a mixed text has
/// its parts one after another. Up to `n_held_back` of the chunks between are held back; of a text
/// that is used up, none.
Result<TextSplit> split_text(const models::Tokenizer& tokenizer, const std::string& path,
                             int64_t n_tokens, int n_chunk, int n_held_back);

struct OwnSamples {
  int64_t n_tokens = 0;
  int n_chunk = 1024;  // tokens of a sample
  uint64_t seed = 0;
};

/// Samples that the model writes itself (temperature 1, no text needed), one per chunk. What the
/// checkpoint has of them is not written again.
Result<std::vector<int32_t>> own_samples(const engine::Engine& engine,
                                         const models::Tokenizer& tokenizer, const OwnSamples& o,
                                         const calib::Checkpoint& checkpoint,
                                         const std::function<bool(int64_t, int64_t)>& progress);

}  // namespace lowkey::apps
