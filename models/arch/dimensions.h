// The numbers that GGUF and config.json have in common, under two sets of names.
#pragma once

#include "models/arch/source.h"
#include "models/config.h"

namespace lowkey::models::arch {

struct Keys {
  const char *n_layers, *n_embd, *n_heads, *n_kv_heads, *head_dim, *n_ff, *n_context;
  const char *norm_eps, *theta;
};

/// Fills the dimensions (n_vocab excepted), norm_eps and rope.theta; n_rot becomes head_dim.
Status read_dimensions(const Source& source, const Keys& keys, ModelConfig& config);

/// What must hold between the numbers of any family, whatever file they came from.
Status check_dimensions(const ModelConfig& config, const std::string& where);

inline constexpr int64_t kMaxVocab = 1 << 22;

}  // namespace lowkey::models::arch
