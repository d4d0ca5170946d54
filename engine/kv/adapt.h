// A latent space that follows the text (OjaKV, arXiv 2509.21623): every so many tokens the bases of
// a layer turn by what has come by, or else its means and steps move. Tokens keep the version that
// they were written with.
//
// A version codes y = turn (z - shift) of the file's latents z, with steps of its own; widths stay.
// Exact copies are full latents z and belong to no version. A turn is one step of orthogonal
// iteration on the moving covariance of y, which is Oja's rule with a QR factor behind it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/context.h"
#include "engine/kv/latent_code.h"
#include "engine/kv/spec.h"

namespace lowkey::engine {

/// A version of one side of one head.
struct SideVersion {
  std::vector<float> shift;     // [d]
  std::vector<float> turn;      // [d, d], rows are coordinates; empty: none
  HalfMatrix into, out_of;      // turn and its transpose, for rows
  std::vector<float> steps;     // of stored coordinates
  std::vector<float> variance;  // [d] of y, a moving one
};

/// A version of one layer: tokens from `begin` on, until the next one's.
struct LayerVersion {
  int64_t begin = 0;
  std::vector<SideVersion> k, v;  // [n_kv_heads]

  int64_t bytes() const;
  /// Carries latents of the file into the version's space, in place: [n, n_kv_heads * d].
  void enter(const Context& context, MatrixView<float> k, MatrixView<float> v) const;
};

/// The versions of one layer and what the next one will follow from. Everything depends on the
/// tokens in order only, however they were fed; but where a stretch between two boundaries is cut
/// into, what was left of it no longer counts for the next version.
class LayerVersions {
 public:
  LayerVersions() = default;
  /// `first`: the first token that is read by its code.
  LayerVersions(const LatentCode& code, int layer, const AdaptOptions& options, int64_t first);

  bool enabled() const { return options_.every > 0; }
  /// The version of the token at `position`; nullptr: the file's own code.
  const LayerVersion* at(int64_t position) const;
  /// End of the tokens after `position` that share its version as far as is known now.
  int64_t end_of(int64_t position) const;
  /// First place after `position` where a version may begin.
  int64_t next_boundary(int64_t position) const {
    return (position / options_.every + 1) * options_.every;
  }

  /// At a boundary, before its token is coded: a version of the tokens since the last one.
  void update(const Context& context, const LatentCode& code, int64_t position);
  /// Counts latents k, v [n, n_kv_heads * d] of tokens from `position` on, none beyond the next
  /// boundary.
  void add(const Context& context, MatrixView<const float> k, MatrixView<const float> v,
           int64_t position);
  /// Forgets positions n and beyond.
  void truncate(int64_t n);

  /// Of all versions, and of one.
  int64_t bytes() const;
  static int64_t bytes_per_version(const LatentCode& code, int layer, bool turns);

 private:
  struct Sums {
    double n = 0;
    std::vector<double> first, second;  // [d]; [d, d] or its diagonal

    void clear();
  };
  void add_rows(Sums& sums, MatrixView<const float> rows) const;
  std::shared_ptr<const LayerVersion> next(const Context& context, const LatentCode& code,
                                           int64_t position) const;
  SideVersion next_side(const LatentSideCode& file, const SideVersion* now, const Sums& sums) const;

  AdaptOptions options_;
  int layer_ = 0;
  int64_t first_ = 0;
  int64_t n_seen_ = 0;      // tokens up to here are counted, or were cut off
  std::vector<Sums> sums_;  // [K heads, V heads] since the last boundary
  std::vector<std::shared_ptr<const LayerVersion>> versions_;
};

}  // namespace lowkey::engine
