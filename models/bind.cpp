#include "models/bind.h"

#include <string_view>
#include <unordered_map>

namespace lowkey::models {
namespace {

constexpr size_t kMaxLines = 20;

class Complaints {
 public:
  void add(const std::string& line) {
    if (n_++ < kMaxLines) text_ += "\n  " + line;
  }
  Status status(const std::string& path) const {
    if (n_ == 0) return {};
    std::string what = std::to_string(n_) + (n_ == 1 ? " tensor does" : " tensors do") +
                       " not fit the configuration:" + text_;
    if (n_ > kMaxLines) what += "\n  and " + std::to_string(n_ - kMaxLines) + " more";
    return make_error(ErrorCode::kInvalidData, path, what);
  }

 private:
  std::string text_;
  size_t n_ = 0;
};

std::string expected_shape(const arch::ExpectedTensor& expected) {
  return expected.n_rows == 1
             ? "[" + std::to_string(expected.n_cols) + "]"
             : "[" + std::to_string(expected.n_rows) + ", " + std::to_string(expected.n_cols) + "]";
}

bool fits(const arch::ExpectedTensor& expected, const FoundTensor& found) {
  const auto& shape = found.shape;
  if (shape.size() == 2) return shape[0] == expected.n_rows && shape[1] == expected.n_cols;
  return shape.size() == 1 && expected.n_rows == 1 && shape[0] == expected.n_cols;
}

/// Kernels load elements by their own width.
bool aligned(const FoundTensor& found) {
  const uintptr_t width = found.dtype == DType::kF32 ? 4 : 2;
  return reinterpret_cast<uintptr_t>(found.bytes.data()) % width == 0;
}

/// Why `found` cannot serve, or an empty string.
std::string misfit(const arch::ExpectedTensor& expected, const FoundTensor* found) {
  if (!found) return "expected " + expected_shape(expected) + ", found no such tensor";
  if (!fits(expected, *found)) {
    return "expected " + expected_shape(expected) + ", found " + shape_text(found->shape);
  }
  const DTypeInfo info = dtype_info(found->dtype);
  if (expected.n_cols % info.block_elements != 0) {
    return "expected rows of whole " + std::string(info.name) + " blocks (" +
           std::to_string(info.block_elements) + "), found " + std::to_string(expected.n_cols);
  }
  const int64_t n_bytes = dtype_bytes(found->dtype, expected.n_rows * expected.n_cols);
  if (int64_t(found->bytes.size()) != n_bytes) {
    return "expected " + std::to_string(n_bytes) + " bytes, found " +
           std::to_string(found->bytes.size());
  }
  if (expected.n_rows == 1 && info.block_elements != 1) {
    return "expected a vector of F32, F16 or BF16, found " + std::string(info.name);
  }
  return aligned(*found) ? "" : "expected data aligned to its elements, found an odd offset";
}

}  // namespace

std::string shape_text(std::span<const int64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

Status bind_tensors(const std::vector<FoundTensor>& found, arch::Naming naming, Model& model) {
  Complaints complaints;
  std::unordered_map<std::string_view, const FoundTensor*> by_name;
  for (const FoundTensor& tensor : found) {
    if (!by_name.emplace(tensor.name, &tensor).second) {
      complaints.add(tensor.name + ": found twice");
    }
  }
  model.layers.assign(size_t(model.config.n_layers), {});
  for (const arch::ExpectedTensor& expected : arch::expected_tensors(model, naming)) {
    const auto it = by_name.find(expected.name);
    const FoundTensor* tensor = it == by_name.end() ? nullptr : it->second;
    if (const std::string why = misfit(expected, tensor); !why.empty()) {
      complaints.add(expected.name + ": " + why);
    } else {
      *expected.place = {expected.name, tensor->dtype, expected.n_rows, expected.n_cols,
                         tensor->bytes};
    }
    if (tensor) by_name.erase(it);
  }
  for (const FoundTensor& tensor : found) {
    if (!by_name.contains(tensor.name)) continue;
    if (arch::is_redundant_tensor(tensor.name, model.config)) continue;
    complaints.add(tensor.name + ": expected no such tensor in this family, found " +
                   shape_text(tensor.shape));
  }
  if (model.config.tied_output) model.output = model.token_embd;
  return complaints.status(model.path);
}

}  // namespace lowkey::models
