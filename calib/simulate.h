// A code as the papers define it: encode, round, reconstruct. For measuring what a code costs, for
// codes that no fused kernel exists for (pre-RoPE, joint, rank only), and as the fused path's
// check.
#pragma once

#include <memory>

#include "engine/engine.h"
#include "engine/kv/spec.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

/// Which part of the model is coded; everything else passes unchanged.
struct CodedPart {
  int layer = -1;  // -1: all
  bool keys = true;
  bool values = true;
  bool except = false;  // all but this part

  bool has(int l, bool is_key) const {
    const bool named = (layer < 0 || layer == l) && (is_key ? keys : values);
    return named != except;
  }
};

/// A codec that gives back what a cache with this basis would: z = E (x - mean), codes of the
/// stored widths with the token's gain, x^ = D z^ + mean. Keys are turned back before, and forward
/// after, where the file's space is "pre-rope". The engine must outlive the codec.
engine::RowCodec simulated_code(const engine::Engine& engine,
                                std::shared_ptr<const models::BasisFile> file,
                                const CodedPart& part = {});

/// A cache of f32 tiles behind simulated_code, with its bits per element filled in.
engine::CacheSpec simulated_cache(const engine::Engine& engine,
                                  std::shared_ptr<const models::BasisFile> file,
                                  const CodedPart& part = {});

/// Bits per element of one side, everything counted: widths of groups of 4 and one gain byte per
/// vector with stored codes; coordinates of width 16 are bf16 and need no gain.
double bits_per_element(const models::BasisFile& file, bool keys);

}  // namespace lowkey::calib
