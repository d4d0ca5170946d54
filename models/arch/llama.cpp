// Llama 1 to 3 and what shares their graph: Mistral without its window, SmolLM, TinyLlama.
#include "models/arch/family.h"

namespace lowkey::models::arch {

const Family kLlama = {
    .name = "llama",
    .gguf_neighbours = true,
    .qkv_bias = Bias::kIfConfigured,
    .qk_norm = false,
};

}  // namespace lowkey::models::arch
