#include "calib/learn/learned_file.h"

#include <Eigen/LU>
#include <algorithm>
#include <cmath>

#include "calib/build.h"

namespace lowkey::calib {
namespace {

using models::HeadBasis;
using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Matrix square(const std::vector<float>& m, int d) {
  return Eigen::Map<const RowMajor>(m.data(), d, d).cast<double>();
}

LearnedBasis head_from_file(const HeadBasis& head, const Problem& problem) {
  LearnedBasis out;
  out.encoder = square(head.encoder, head.d());
  // Inverse in double: the file's decoder is rounded.
  out.decoder = out.encoder.inverse();
  out.mean = problem.mean;
  out.covariance = problem.covariance;
  out.stretch = Vector::Ones(head.d());
  return out;
}

/// Fast pairs whose mean the file leaves in the keys.
std::vector<int> left_in_pairs(const HeadBasis& head, const Rotary& rotary) {
  std::vector<int> pairs;
  for (int i = 0; i < rotary.n_fast; ++i) {
    const auto [a, b] = pair_of(rotary, i);
    if (head.mean[size_t(a)] == 0 && head.mean[size_t(b)] == 0) pairs.push_back(i);
  }
  return pairs;
}

}  // namespace

Result<LayerProblems> problems_of(const LayerStatistics& statistics, const ProblemOptions& options,
                                  const models::LayerBasis& layer) {
  LayerProblems out;
  out.turned = options.centring == Centring::kRotary;
  for (int h = 0; h < statistics.shape.n_kv_heads; ++h) {
    std::vector<int> left_in;
    if (out.turned) {
      left_in = left_in_pairs(layer.k.heads[size_t(h)], options.rotary);
    }
    LK_ASSIGN(Problem k, key_problem(statistics, options, h, left_in));
    LK_ASSIGN(Problem v, value_problem(statistics, options, h));
    out.k.push_back(std::move(k));
    out.v.push_back(std::move(v));
  }
  return out;
}

KeyFrame key_frame(const LayerProblems& problems, const ProblemOptions& options) {
  KeyFrame frame{options.pre_rope, {}};
  for (const Problem& key : problems.k) {
    if (problems.turned) frame.turned_means.push_back(key.mean);
  }
  return frame;
}

LayerBases from_file(const models::LayerBasis& layer, const LayerProblems& problems) {
  LayerBases bases;
  for (size_t h = 0; h < problems.k.size(); ++h) {
    bases.k.push_back(head_from_file(layer.k.heads[h], problems.k[h]));
    bases.v.push_back(head_from_file(layer.v.heads[h], problems.v[h]));
    if (problems.turned) bases.k.back().mean.setZero();
  }
  return bases;
}

void to_file(const LearnedBasis& learned, const Problem& problem, HeadBasis& head) {
  Basis basis;
  basis.encoder = learned.encoder;
  basis.decoder = learned.decoder;
  complete_basis(problem, basis);
  // Steps follow the variances: a stretched step is a larger variance that costs less.
  basis.variances.array() *= learned.stretch.array().square();
  basis.costs.array() /= learned.stretch.array().square();
  const double mean = basis.variances.mean(), scale = mean > 0 ? 1.0 / std::sqrt(mean) : 1.0;
  const int d = head.d();
  Eigen::Map<RowMajor>(head.encoder.data(), d, d) = (basis.encoder * scale).cast<float>();
  Eigen::Map<RowMajor>(head.decoder.data(), d, d) = (basis.decoder / scale).cast<float>();
  for (int i = 0; i < d; ++i) {
    head.variances[size_t(i)] = float(basis.variances(i) * scale * scale);
    head.costs[size_t(i)] = float(basis.costs(i) / (scale * scale));
    head.mean[size_t(i)] = float(basis.mean(i));
  }
}

void to_file(const LayerBases& bases, const LayerProblems& problems, models::LayerBasis& layer) {
  for (size_t h = 0; h < problems.k.size(); ++h) {
    to_file(bases.k[h], problems.k[h], layer.k.heads[h]);
    to_file(bases.v[h], problems.v[h], layer.v.heads[h]);
  }
}

void share_importance(models::SideBasis& side) {
  const size_t d = size_t(side.heads[0].d());
  for (size_t i = 0; i < d; ++i) {
    double mean = 0;
    for (const HeadBasis& head : side.heads) {
      mean += double(head.variances[i]) * double(head.costs[i]) / double(side.heads.size());
    }
    for (HeadBasis& head : side.heads) {
      head.costs[i] = float(mean / std::max(double(head.variances[i]), 1e-30));
    }
  }
}

LayerWidths widths_of(const models::LayerBasis& layer) {
  return {side_widths(layer.k), side_widths(layer.v)};
}

}  // namespace lowkey::calib
