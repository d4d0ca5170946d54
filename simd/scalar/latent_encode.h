// The code of one token, coordinate by coordinate; K and V differ only in the place of a code.
#pragma once

#include "simd/latent_tile.h"

namespace lowkey::simd::scalar {

/// Where code number v (0..63) goes for coordinate c (0..3) of a group and token t (0..15).
using CodePlace = int (*)(int c, int t);

/// Writes one token of latents z [plan.n_coords] into slot t of a part.
void latent_encode_token(const LatentPlan& plan, const float* z, int t, CodePlace place,
                         std::byte* part);

}  // namespace lowkey::simd::scalar
