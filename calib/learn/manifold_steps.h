// `learned`: Riemannian steps. A basis U with metric M codes by E = U^T M^(1/2), D = M^(-1/2) U;
// a tangent X of the Stiefel manifold at U, in U's own frame, is skew, and the Cayley retraction
// takes E to cayley(-X) E and D to D cayley(X). The metric stays the closed form's.
#pragma once

#include "calib/learn/adam.h"
#include "calib/learn/descend.h"

namespace lowkey::calib {

/// How far coordinates i and j may turn into each other, as a share of the rate: a small coordinate
/// must not drown in a large one.
Matrix turn_scale(const Vector& deviation);

class ManifoldSteps : public BasisSteps {
 public:
  /// `n_steps` of the cosine schedule.
  ManifoldSteps(const LayerBases& bases, double rate, int64_t n_steps);
  void step(const LayerGradient& gradient, LayerBases& bases) override;

 private:
  void move(size_t id, const BasisGradient& gradient, LearnedBasis& basis);

  Adam turns_, stretches_;
  std::vector<Matrix> scales_;  // [K heads, V heads]
};

}  // namespace lowkey::calib
