// Cached tokens as attention reads them.
#pragma once

#include "base/view.h"
#include "engine/kv/adapt.h"
#include "engine/kv/latent_code.h"
#include "engine/kv/tiles.h"

namespace lowkey::engine {

struct CacheSource {
  const TileStore* store;
  simd::KvType type;
  const LatentCode* latent;  // set: the tiles are latent, of this layer; `type` is unused
  int layer;
  bool one_head = false;                  // the store holds the head in question only
  const LayerVersion* version = nullptr;  // of the latents; nullptr: the file's own code
};

/// Exact copies of coded tokens whose codes are hidden; the store holds one head.
struct OutlierSource {
  CacheSource source;
  Range slots;
};

}  // namespace lowkey::engine
