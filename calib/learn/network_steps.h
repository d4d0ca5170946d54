// `stief`: StiefAttention (arXiv 2601.21686). Mean and variance of a layer's pre-projection
// activations go through a small network to a square matrix, whose QR factor is the basis: one for
// the keys of all heads, one for the values of each. The paper does not say where it starts; here
// the network's output is added to the identity in the frame of EigenAttention's basis.
#pragma once

#include "calib/learn/adam.h"
#include "calib/learn/descend.h"
#include "calib/learn/stiefel.h"

namespace lowkey::calib {

/// Mean and variance of activations [n_embd], of equal size, as one vector whose absolute values
/// sum to 1: then a step of the optimiser moves what the network sees by no more than its rate.
Vector network_input(const Vector& mean, const Vector& variance);

/// input -> tanh(W1 input) -> W2 hidden / n_hidden, as a square matrix.
class BasisNetwork {
 public:
  BasisNetwork(const Vector& input, int d, uint64_t seed);
  Matrix output() const;
  /// One AdamW update, given the gradient with respect to the output.
  void descend(Adam& adam, size_t id, const Matrix& d_output);

 private:
  static constexpr int kHidden = 32;
  Vector hidden() const;

  Vector input_;
  int d_;
  Matrix w1_;  // [kHidden, input]
  Matrix w2_;  // [d * d, kHidden]
};

class NetworkSteps : public BasisSteps {
 public:
  /// `bases` are orthonormal up to a factor, which is taken out of them; those of all keys are the
  /// same.
  NetworkSteps(LayerBases& bases, const Vector& input, const DescentOptions& options,
               int64_t n_steps);
  void step(const LayerGradient& gradient, LayerBases& bases) override;

 private:
  struct Part {
    BasisNetwork network;
    Matrix start;  // [d, d]: what QR turns
    Matrix scale;  // [d, d] of the network's output
    QrFactors factors;
  };
  void descend(size_t id, const Matrix& d_basis);
  Matrix basis(size_t id) const { return parts_[id].start * parts_[id].factors.q; }

  Adam adam_;
  std::vector<Part> parts_;  // all keys, then the values of each head
};

}  // namespace lowkey::calib
