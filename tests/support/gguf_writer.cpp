#include "tests/support/gguf_writer.h"

#include "models/gguf/types.h"

namespace lowkey::testing {
namespace {

constexpr uint32_t kI32 = 5, kF32 = 6, kString = 8, kArray = 9;

std::string array_head(uint32_t element, uint64_t n) { return raw(element) + raw(n); }

void pad(std::string& bytes, uint64_t alignment) {
  bytes.append((alignment - bytes.size() % alignment) % alignment, '\0');
}

}  // namespace

std::string gguf_string(std::string_view text) {
  return raw(uint64_t{text.size()}) + std::string(text);
}

void GgufWriter::add(std::string_view key, uint32_t type, std::string_view payload) {
  pairs_.emplace_back(key, gguf_string(key) + raw(type) + std::string(payload));
}

void GgufWriter::replace(std::string_view key, uint32_t type, std::string_view payload) {
  std::erase_if(pairs_, [key](const auto& pair) { return pair.first == key; });
  add(key, type, payload);
}

void GgufWriter::add_strings(std::string_view key, const std::vector<std::string>& values) {
  std::string payload = array_head(kString, values.size());
  for (const std::string& value : values) payload += gguf_string(value);
  add(key, kArray, payload);
}

void GgufWriter::add_ints(std::string_view key, const std::vector<int32_t>& values) {
  std::string payload = array_head(kI32, values.size());
  for (const int32_t value : values) payload += raw(value);
  add(key, kArray, payload);
}

void GgufWriter::add_floats(std::string_view key, const std::vector<float>& values) {
  std::string payload = array_head(kF32, values.size());
  for (const float value : values) payload += raw(value);
  add(key, kArray, payload);
}

void GgufWriter::add_tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                            std::string bytes) {
  std::string head = gguf_string(name) + raw(uint32_t(dims.size()));
  for (const uint64_t dim : dims) head += raw(dim);
  tensors_.push_back({head + raw(type), std::move(bytes)});
}

void GgufWriter::add_tensor(std::string_view name, const std::vector<uint64_t>& dims, DType type,
                            std::string bytes) {
  add_tensor(name, dims, models::gguf::type_of(type), std::move(bytes));
}

std::string GgufWriter::bytes() const {
  std::string out = raw(magic) + raw(version) + raw(uint64_t{tensors_.size()} + extra_tensors) +
                    raw(pairs_.size() + extra_pairs);
  for (const auto& [key, pair] : pairs_) out += pair;
  std::string data;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    uint64_t offset = data.size();
    for (const auto& [tensor, forced] : forced_offsets) offset = tensor == i ? forced : offset;
    out += tensors_[i].head + raw(offset);
    data += tensors_[i].bytes;
    pad(data, alignment);
  }
  pad(out, alignment);
  return out + data;
}

}  // namespace lowkey::testing
