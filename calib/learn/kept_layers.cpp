#include "calib/learn/kept_layers.h"

#include <optional>
#include <string>

namespace lowkey::calib {

namespace {

std::string piece_of(size_t layer) { return "learned-" + std::to_string(layer); }

constexpr std::vector<float> models::HeadBasis::*kLearnedFields[] = {
    &models::HeadBasis::encoder, &models::HeadBasis::decoder, &models::HeadBasis::mean,
    &models::HeadBasis::variances, &models::HeadBasis::costs};

/// Calls body(values) for everything that learning sets of a layer.
template <class Layer, class Body>
void for_learned_fields(Layer& layer, const Body& body) {
  for (auto* side : {&layer.k, &layer.v}) {
    for (auto& head : side->heads) {
      for (const auto field : kLearnedFields) body(head.*field);
    }
  }
}

/// The layer's loss if the checkpoint has the layer, which it then becomes.
Result<std::optional<double>> kept_layer(const Checkpoint& checkpoint, size_t l,
                                         models::LayerBasis& layer) {
  LK_ASSIGN(const std::vector<double> numbers, checkpoint.read(piece_of(l)));
  if (numbers.empty()) return std::optional<double>();
  size_t n = 1;
  for_learned_fields(layer, [&](const std::vector<float>& values) { n += values.size(); });
  if (numbers.size() != n) {
    return make_error(
        ErrorCode::kInvalidData, piece_of(l),
        "expected " + std::to_string(n) + " numbers, found " + std::to_string(numbers.size()));
  }
  size_t at = 1;
  for_learned_fields(layer, [&](std::vector<float>& values) {
    for (float& value : values) value = float(numbers[at++]);
  });
  return std::optional<double>(numbers[0]);
}

}  // namespace

Status keep_layer(const Checkpoint& checkpoint, size_t l, const models::LayerBasis& layer,
                  double loss) {
  std::vector<double> numbers = {loss};
  for_learned_fields(layer, [&](const std::vector<float>& values) {
    numbers.insert(numbers.end(), values.begin(), values.end());
  });
  return checkpoint.write(piece_of(l), numbers);
}

Result<std::vector<size_t>> read_kept(const Checkpoint& checkpoint, models::BasisFile& file,
                                      std::vector<double>& losses) {
  std::vector<size_t> left;
  for (size_t l = 0; l < file.layers.size(); ++l) {
    LK_ASSIGN(const std::optional<double> loss, kept_layer(checkpoint, l, file.layers[l]));
    if (!loss) left.push_back(l);
    losses[l] = loss.value_or(0);
  }
  return left;
}

}  // namespace lowkey::calib
