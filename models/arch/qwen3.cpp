// Qwen 3 (dense): Llama's graph with a norm on every q and k head and a free head size.
#include "models/arch/family.h"

namespace lowkey::models::arch {

const Family kQwen3 = {
    .name = "qwen3",
    .gguf_neighbours = false,
    .qkv_bias = Bias::kIfConfigured,
    .qk_norm = true,
};

}  // namespace lowkey::models::arch
