#include "calib/learn/adam.h"

#include <cmath>
#include <numbers>

namespace lowkey::calib {

double Adam::rate() const {
  if (o_.n_steps <= 0) return o_.rate;
  const double done = std::min(1.0, double(step_ - 1) / double(o_.n_steps));
  return o_.rate * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
}

Matrix Adam::update(size_t id, const Matrix& parameter, const Matrix& gradient) {
  if (moments_.size() <= id) moments_.resize(id + 1);
  Moments& m = moments_[id];
  if (m.first.size() == 0) {
    m.first = Matrix::Zero(gradient.rows(), gradient.cols());
    m.second = m.first;
  }
  m.first = o_.beta1 * m.first + (1.0 - o_.beta1) * gradient;
  m.second = o_.beta2 * m.second + (1.0 - o_.beta2) * gradient.cwiseAbs2();
  const double first = 1.0 - std::pow(o_.beta1, double(step_));
  const double second = 1.0 - std::pow(o_.beta2, double(step_));
  const auto direction =
      (m.first / first).array() / ((m.second / second).array().sqrt() + o_.epsilon);
  return -rate() * (direction.matrix() + o_.weight_decay * parameter);
}

}  // namespace lowkey::calib
