// A small decoder layer of random matrices, whose gradients tests take.
#pragma once

#include "calib/learn/layer_model.h"
#include "tests/calib/random_matrix.h"

namespace lowkey::testing {

constexpr calib::LayerShape kShape{4, 2, 6};
constexpr int kEmbd = 10, kFf = 14, kTokens = 12;

inline calib::LayerMatrices<double> random_layer() {
  calib::LayerMatrices<double> w;
  w.o = random_matrix(kEmbd, 24, 1) * 0.3;
  w.gate = random_matrix(kFf, kEmbd, 2) * 0.5;
  w.up = random_matrix(kFf, kEmbd, 3) * 0.5;
  w.down = random_matrix(kEmbd, kFf, 4) * 0.5;
  w.ffn_norm = random_matrix(kEmbd, 1, 5).cwiseAbs();
  w.complete();
  return w;
}

}  // namespace lowkey::testing
