#include "apps/perplexity/base_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace lowkey::apps {

namespace {

constexpr float kDepth = 16.0f;  // nats below the best token
constexpr int kHead = 4;         // two floats, in units of uint16_t

template <class T>
void write(std::ofstream& file, const T* data, size_t n) {
  file.write(reinterpret_cast<const char*>(data), std::streamsize(n * sizeof(T)));
}

}  // namespace

void encode_log_probabilities(std::span<const float> logits, uint16_t* out) {
  const auto [smallest, largest] = std::minmax_element(logits.begin(), logits.end());
  const float best = *largest, low = std::max(*smallest, best - kDepth);
  double sum = 0;
  for (const float x : logits) sum += std::exp(double(x - best));
  const float head[2] = {(best - low) / 65535.0f, low - best - float(std::log(sum))};
  std::memcpy(out, head, sizeof head);
  const float inverse = head[0] > 0.0f ? 1.0f / head[0] : 0.0f;
  std::transform(logits.begin(), logits.end(), out + kHead, [&](float x) {
    return uint16_t(std::lround(std::clamp(inverse * (x - low), 0.0f, 65535.0f)));
  });
}

Result<BaseFile> BaseFile::create(const std::string& path, int64_t n_context, int n_vocab,
                                  std::span<const int32_t> tokens) {
  BaseFile base;
  base.path_ = path;
  base.file_.open(path, std::ios::binary);
  base.row_.resize(size_t((n_vocab + 1) / 2 * 2 + kHead));
  const int32_t head[3] = {int32_t(n_context), n_vocab,
                           int32_t(int64_t(tokens.size()) / n_context)};
  write(base.file_, "_logits_", 8);
  write(base.file_, head, 3);
  write(base.file_, tokens.data(), tokens.size());
  LK_RETURN_IF_ERROR(base.check("cannot create"));
  return base;
}

Status BaseFile::append(MatrixView<const float> logits) {
  for (int64_t i = 0; i < logits.rows; ++i) {
    encode_log_probabilities({logits.row(i), size_t(logits.cols)}, row_.data());
    write(file_, row_.data(), row_.size());
  }
  return check("cannot write");
}

Status BaseFile::close() {
  file_.close();
  return check("cannot close");
}

Status BaseFile::check(const char* action) const {
  if (file_.good()) return {};
  return make_error(ErrorCode::kIo, path_, std::string(action) + " the log-probabilities");
}

}  // namespace lowkey::apps
