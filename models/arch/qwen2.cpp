// Qwen 2 and 2.5: Llama's graph with biases on q, k and v.
#include "models/arch/family.h"

namespace lowkey::models::arch {

const Family kQwen2 = {
    .name = "qwen2",
    .gguf_neighbours = false,
    .qkv_bias = Bias::kAlways,
    .qk_norm = false,
};

}  // namespace lowkey::models::arch
