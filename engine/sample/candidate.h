// A token with its logit, where only some of the vocabulary are spoken of.
#pragma once

#include <cstdint>

namespace lowkey::engine {

struct Candidate {
  float logit = 0;
  int32_t id = 0;
};

/// Order of likelihood. The lower id wins a tie, so that no text depends on the order of work.
inline bool better(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

}  // namespace lowkey::engine
