#include "calib/learn/layer_code.h"

namespace lowkey::calib {

LayerGradient LayerGradient::zero(int n_heads, int d) {
  const Matrix none = Matrix::Zero(d, d);
  LayerGradient out;
  out.k.assign(size_t(n_heads), {none, none, Vector::Zero(d)});
  out.v = out.k;
  return out;
}

void LayerGradient::add(const LayerGradient& other) {
  for (size_t h = 0; h < k.size(); ++h) {
    for (const auto& [to, from] : {std::pair{&k[h], &other.k[h]}, std::pair{&v[h], &other.v[h]}}) {
      to->encoder += from->encoder;
      to->decoder += from->decoder;
      to->stretch += from->stretch;
    }
  }
}

template <class T>
Rows<T> repeat_means(const std::vector<Vector>& means, Eigen::Index n) {
  const Eigen::Index d = means[0].size();
  Rows<T> out(n, d * Eigen::Index(means.size()));
  for (size_t h = 0; h < means.size(); ++h) {
    out.middleCols(Eigen::Index(h) * d, d).rowwise() = means[h].transpose().template cast<T>();
  }
  return out;
}

template <class T>
Rows<T> code_side(const std::vector<LearnedBasis>& bases,
                  const std::vector<std::vector<uint8_t>>& widths, const Rows<T>& x,
                  std::vector<CodeTape<T>>& tapes, bool frozen) {
  const Eigen::Index d = x.cols() / Eigen::Index(bases.size());
  Rows<T> out(x.rows(), x.cols());
  tapes.resize(bases.size());
  for (size_t h = 0; h < bases.size(); ++h) {
    const Eigen::Index column = Eigen::Index(h) * d;
    out.middleCols(column, d) =
        code_rows<T>(bases[h], widths[h], x.middleCols(column, d), tapes[h], frozen);
  }
  return out;
}

template <class T>
Rows<T> side_backward(const std::vector<LearnedBasis>& bases,
                      const std::vector<std::vector<uint8_t>>& widths,
                      const std::vector<CodeTape<T>>& tapes, const Rows<T>& d_coded,
                      std::vector<BasisGradient>& gradient, bool wants_x) {
  const Eigen::Index d = d_coded.cols() / Eigen::Index(bases.size());
  Rows<T> d_x;
  if (wants_x) d_x.resize(d_coded.rows(), d_coded.cols());
  for (size_t h = 0; h < bases.size(); ++h) {
    const Eigen::Index column = Eigen::Index(h) * d;
    Rows<T> own_x;
    const auto own = code_backward<T>(bases[h], widths[h], tapes[h], d_coded.middleCols(column, d),
                                      wants_x ? &own_x : nullptr);
    gradient[h].encoder += own.encoder;
    gradient[h].decoder += own.decoder;
    gradient[h].stretch += own.stretch;
    if (wants_x) d_x.middleCols(column, d) = own_x;
  }
  return d_x;
}

#define LOWKEY_INSTANTIATE(T)                                                          \
  template Rows<T> repeat_means<T>(const std::vector<Vector>&, Eigen::Index);          \
  template Rows<T> code_side(const std::vector<LearnedBasis>&,                         \
                             const std::vector<std::vector<uint8_t>>&, const Rows<T>&, \
                             std::vector<CodeTape<T>>&, bool);                         \
  template Rows<T> side_backward(                                                      \
      const std::vector<LearnedBasis>&, const std::vector<std::vector<uint8_t>>&,      \
      const std::vector<CodeTape<T>>&, const Rows<T>&, std::vector<BasisGradient>&, bool)
LOWKEY_INSTANTIATE(float);
LOWKEY_INSTANTIATE(double);
#undef LOWKEY_INSTANTIATE

}  // namespace lowkey::calib
