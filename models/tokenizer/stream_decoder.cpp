#include "models/tokenizer/stream_decoder.h"

#include "models/tokenizer/utf8.h"

namespace lowkey::models {

std::string StreamDecoder::push(int32_t id) {
  if (show_special_ || !tokenizer_.is_special(id)) pending_ += tokenizer_.piece_bytes(id);
  std::string out;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const size_t n_valid = valid_utf8_prefix(rest);
    out += rest.substr(0, n_valid);
    rest.remove_prefix(n_valid);
    if (rest.empty()) break;
    const Utf8Char broken = next_utf8(rest);
    if (broken.truncated) break;
    out += kReplacement;
    rest.remove_prefix(size_t(broken.n_bytes));
  }
  pending_ = std::string(rest);
  return out;
}

std::string StreamDecoder::finish() {
  const bool waits = !pending_.empty();
  pending_.clear();
  return waits ? kReplacement : "";
}

}  // namespace lowkey::models
