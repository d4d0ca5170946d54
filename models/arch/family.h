// What sets one model family apart from another, as data: the reader of configurations and the
// list of tensors ask these flags. A new family (gemma3, say) is one file like llama.cpp with its
// flags and one line in registry.cpp; a trait that no family had before is one flag here.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace lowkey::models::arch {

enum class Bias { kNever, kAlways, kIfConfigured };

struct Family {
  std::string_view name;  // GGUF's general.architecture and config.json's model_type
  bool gguf_neighbours;   // GGUF files have q and k permuted for pairs (2i, 2i+1)
  Bias qkv_bias;          // kIfConfigured: attention_bias, or the tensors' presence in GGUF
  bool qk_norm;           // RMSNorm of every q and k head before RoPE
};

extern const Family kLlama, kQwen2, kQwen3;

/// The family called `name`, or kUnsupported with the names there are. `where` begins the error.
Result<const Family*> find_family(std::string_view name, const std::string& where);

}  // namespace lowkey::models::arch
