// What reader and writer of .lkb files share: names of tensors, and the hash within the file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "models/basis/basis.h"

namespace lowkey::models::basis {

/// Metadata entry that holds the scalars of the file as JSON.
constexpr char kHeaderKey[] = "lowkey.basis";
/// Metadata entry with the SHA-256 of the file; while it is taken, its own digits count as zeros.
constexpr char kHashKey[] = "sha256";
constexpr size_t kHashDigits = 64;

/// Tensors are called layers.<l>.<k|v>.<field>; the heads are their first dimension.
struct FloatField {
  const char* name;
  std::vector<float> HeadBasis::*values;
  bool square;  // [n_heads, d, d] instead of [n_heads, d]
};

constexpr FloatField kFloatFields[] = {
    {"encoder", &HeadBasis::encoder, true}, {"decoder", &HeadBasis::decoder, true},
    {"mean", &HeadBasis::mean, false},      {"variances", &HeadBasis::variances, false},
    {"costs", &HeadBasis::costs, false},    {"steps", &HeadBasis::steps, false},
};

inline std::string tensor_prefix(size_t layer, char side) {
  return "layers." + std::to_string(layer) + "." + side + ".";
}

/// Error surface of a layer [levels of K, levels of V]; only in files with a profile.
inline std::string profile_tensor(size_t layer) {
  return "layers." + std::to_string(layer) + ".profile";
}

/// Place of the first digit of the hash, if the header has exactly one.
std::optional<size_t> find_hash(std::string_view bytes);

/// SHA-256 of the file whose hash stands at `at`.
std::string hash_of_file(std::string_view bytes, size_t at);

}  // namespace lowkey::models::basis
