// The interface of all ways to choose a basis: a small problem in, a basis out.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "calib/solve/types.h"

namespace lowkey::calib {

enum class Side { kKeys, kValues };

/// What is to be coded, and what an error of it costs.
struct Problem {
  Side side = Side::kKeys;
  Matrix covariance;  // [d, d] of the vectors as coded: minus `mean` if they are centred
  Vector mean;        // [d], zero if not centred
  Matrix metric;      // [d, d]: an error e costs e^T metric e
};

/// z = encoder (x - mean), x^ = decoder z + mean, encoder decoder = I.
struct Basis {
  Matrix encoder;              // [d, d]
  Matrix decoder;              // [d, d]
  Vector mean;                 // [d]
  Vector variances;            // [d]: E[z_i^2]; in the order in which a rank keeps coordinates
  Vector costs;                // [d]: what a unit of squared error in z_i costs in the metric
  double residual = 0;         // of the decomposition, relative
  double orthonormality = 0;   // of the decomposition's vectors
  double biorthogonality = 0;  // ||encoder decoder - I||
};

/// What becomes of a closed form's bases before they are used.
enum class Learning {
  kNone,
  kDescent,   // steps on the manifold of invertible codes, on the layer's output error
  kEndToEnd,  // the same steps, on the divergence of the model's output, all layers at once
  kStiefel,   // StiefAttention: the same loss through a small network and QR
};

/// One method; every one sees the same problems.
struct Method {
  std::string_view name;
  std::string_view source;
  bool second_order;  // wants the weighted moments
  bool has_order;     // leading coordinates matter most, so that a rank makes sense
  Result<Basis> (*solve)(const Problem& problem);
  Learning learning = Learning::kNone;
};

Result<Basis> solve_k_svd(const Problem& problem);
Result<Basis> solve_eigen(const Problem& problem);
Result<Basis> solve_kq_svd(const Problem& problem);
Result<Basis> solve_hadamard(const Problem& problem);

std::span<const Method> all_methods();

/// Unknown names are an error that lists the known ones.
Result<const Method*> find_method(std::string_view name);

/// Coordinates by falling variance * cost; of equal ones the earlier first.
std::vector<Eigen::Index> by_importance(const Basis& basis);

/// Completes a basis whose encoder and decoder are set: means, variances, costs, biorthogonality.
void complete_basis(const Problem& problem, Basis& basis);

}  // namespace lowkey::calib
