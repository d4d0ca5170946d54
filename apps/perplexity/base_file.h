// Log-probabilities of every scored position in the format of llama.cpp's --kl-divergence-base,
// so that another program's divergence from ours can be measured with its own tool.
#pragma once

#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/view.h"

namespace lowkey::apps {

class BaseFile {
 public:
  /// `tokens`: whole chunks of n_context.
  static Result<BaseFile> create(const std::string& path, int64_t n_context, int n_vocab,
                                 std::span<const int32_t> tokens);
  /// Logits [n, n_vocab] of the next scored positions.
  Status append(MatrixView<const float> logits);
  Status close();

 private:
  Status check(const char* action) const;

  std::string path_;
  std::ofstream file_;
  std::vector<uint16_t> row_;
};

/// One row: step and smallest log-probability as two floats, then a multiple of the step for every
/// token. What lies 16 nats or more below the best counts as 16 below. out: 4 + n_vocab, even.
void encode_log_probabilities(std::span<const float> logits, uint16_t* out);

}  // namespace lowkey::apps
