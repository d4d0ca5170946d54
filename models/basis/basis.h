// The .lkb file: what calibration learned of one model, as a safetensors container.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lowkey::models {

constexpr int kBasisVersion = 1;
/// Largest latent vector of a file: a joint basis counts all KV heads of the layer.
constexpr int kMaxBasisDim = 4096;

/// z = encoder (x - mean), x^ = decoder z + mean; coordinates in the order of storage. Once
/// computed in double and rounded to float here: the engine takes both matrices as they are.
struct HeadBasis {
  std::vector<float> encoder;    // [d, d], row i makes coordinate i
  std::vector<float> decoder;    // [d, d]
  std::vector<float> mean;       // [d]; before RoPE if the file's centring is "rotary"
  std::vector<float> variances;  // [d]: E[z_i^2]
  std::vector<float> costs;      // [d]: error in the task metric per squared error of z_i
  std::vector<uint8_t> widths;   // [d]: bits, 0 = not stored (only at the end), 16 = bf16
  std::vector<float> steps;      // [d], > 0 where the width is 1..8

  int d() const { return int(mean.size()); }
};

struct SideBasis {
  double sensitivity = 1;        // mean KL divergence per unit of error in the task metric
  std::vector<HeadBasis> heads;  // n_kv_heads, or 1 if joint
};

struct LayerBasis {
  SideBasis k, v;
};

/// What calibration measured for planners. All of it is optional: files without it still work.
struct ErrorProfile {
  std::vector<double> levels;  // bits per element of one side, rising; 16 * share for rank only
  /// [n_layers][K's level, V's level]: |y^ - y|^2 / |y|^2 of the layer's output.
  std::vector<std::vector<float>> surfaces;
  /// Divergence end to end = scale * (sum over sides of sensitivity * error) ^ exponent, fitted to
  /// these measurements on text held back.
  double kld_scale = 1, kld_exponent = 1;
  std::vector<double> measured_bits, measured_sum, measured_kld;
};

struct BasisFile {
  std::string method;
  std::string policy;               // that gave out the widths; empty: the default
  std::string space = "post-rope";  // or "pre-rope"
  std::string centring = "none";    // of keys: "none", "mean", "rotary"; values: always "mean"
  bool joint = false;               // one basis over the KV heads of a layer
  std::string model_hash;           // SHA-256, hexadecimal
  std::string text_hash;            // of the calibration tokens
  int64_t n_tokens = 0;             // calibrated on
  uint64_t seed = 0;
  double bits_per_element = 0;  // of the widths stored, everything but exact tokens counted
  int n_kv_heads = 0;
  int head_dim = 0;
  std::vector<LayerBasis> layers;
  ErrorProfile profile;
};

/// Everything wrong with `file` as a whole: sizes, numbers that are not finite, steps and widths
/// that no kernel supports. kInvalidData, naming layer, side, head and what was expected.
Status check_basis(const BasisFile& file, const std::string& where);

/// The bytes of a file; the same for the same contents. Carries the SHA-256 of all other bytes.
Result<std::string> serialise_basis(const BasisFile& file);

/// Reads bytes that nobody vouches for. `name` (a path, usually) begins every error.
Result<BasisFile> parse_basis(std::string_view bytes, const std::string& name);

/// Appears whole or not at all.
Status write_basis(const std::string& path, const BasisFile& file);
Result<BasisFile> read_basis(const std::string& path);

/// Refuses a file that was calibrated on another model, with both hashes.
Status match_model(const BasisFile& file, std::string_view model_hash, const std::string& where);

}  // namespace lowkey::models
