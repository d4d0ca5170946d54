#include "calib/objective/method.h"

#include <algorithm>
#include <numeric>

namespace lowkey::calib {
namespace {

constexpr Method kMethods[] = {
    {"k-svd", "principal components of K, and of V", false, true, solve_k_svd},
    {"eigen", "EigenAttention, arXiv 2408.05646", false, true, solve_eigen},
    {"kq-svd", "KQ-SVD, arXiv 2512.05916", false, true, solve_kq_svd},
    {"fisher", "KQ-SVD with second-order weights of tokens", true, true, solve_kq_svd},
    {"learned", "fisher, then steps on the layer's output error", true, true, solve_kq_svd,
     Learning::kDescent},
    {"end-to-end", "fisher, then steps on the divergence of the model's output", true, true,
     solve_kq_svd, Learning::kEndToEnd},
    {"stief", "StiefAttention, arXiv 2601.21686", false, true, solve_eigen, Learning::kStiefel},
    {"hadamard", "fixed rotation, the control", false, false, solve_hadamard},
};

}  // namespace

std::span<const Method> all_methods() { return kMethods; }

Result<const Method*> find_method(std::string_view name) {
  std::string known;
  for (const Method& method : kMethods) {
    if (method.name == name) return &method;
    known += (known.empty() ? "" : ", ") + std::string(method.name);
  }
  return make_error(ErrorCode::kInvalidArgument, "method",
                    "expected one of " + known + ", found '" + std::string(name) + "'");
}

std::vector<Eigen::Index> by_importance(const Basis& basis) {
  std::vector<Eigen::Index> order(size_t(basis.variances.size()));
  std::iota(order.begin(), order.end(), Eigen::Index{0});
  const Vector importance = basis.variances.cwiseProduct(basis.costs);
  std::ranges::stable_sort(
      order, [&](Eigen::Index a, Eigen::Index b) { return importance(a) > importance(b); });
  return order;
}

void complete_basis(const Problem& problem, Basis& basis) {
  const Matrix& e = basis.encoder;
  const Matrix& d = basis.decoder;
  basis.mean = problem.mean;
  basis.variances = (e * problem.covariance * e.transpose()).diagonal().cwiseMax(0.0);
  basis.costs = (d.transpose() * problem.metric * d).diagonal().cwiseMax(0.0);
  basis.biorthogonality = (e * d - Matrix::Identity(e.rows(), e.rows())).norm();
}

}  // namespace lowkey::calib
