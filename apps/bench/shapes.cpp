#include "apps/bench/shapes.h"

#include <algorithm>
#include <cstdlib>

namespace lowkey::apps {

namespace {

struct Shape {
  const char* name;
  const char* family;
  int n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_ff, n_vocab;
  bool tied, bias, qk_norm;
};

// From the config.json of each model.
constexpr Shape kShapes[] = {
    {"smollm2-135m", "llama", 30, 576, 9, 3, 64, 1536, 49152, true, false, false},
    {"qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, true, true, false},
    {"llama-3.2-1b", "llama", 16, 2048, 32, 8, 64, 8192, 128256, true, false, false},
    {"llama-3.2-3b", "llama", 28, 3072, 24, 8, 128, 8192, 128256, true, false, false},
    {"qwen2.5-7b", "qwen2", 28, 3584, 28, 4, 128, 18944, 152064, false, true, false},
    {"qwen3-8b", "qwen3", 36, 4096, 32, 8, 128, 12288, 151936, false, false, true},
    {"llama-2-7b", "llama", 32, 4096, 32, 32, 128, 11008, 32000, false, false, false},
    {"llama-3-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, false, false, false},
    {"llama-3-70b", "llama", 80, 8192, 64, 8, 128, 28672, 128256, false, false, false},
};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return char(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  return text;
}

struct Unit {
  const char* name;
  double factor;
};

constexpr Unit kUnits[] = {{"", 1},         {"b", 1},           {"kb", 1e3},
                           {"mb", 1e6},     {"gb", 1e9},        {"tb", 1e12},
                           {"kib", 1024.0}, {"mib", 1048576.0}, {"gib", 0x1p30}};

/// A number and its unit; false where either is none.
bool split(const std::string& text, double& value, std::string& unit) {
  char* end = nullptr;
  value = std::strtod(text.c_str(), &end);
  unit = lower(end);
  return end != text.c_str() && value > 0 && value < 1e18;
}

}  // namespace

Result<models::ModelConfig> model_shape(const std::string& name) {
  std::string names;
  for (const Shape& s : kShapes) {
    names += (names.empty() ? "" : ", ") + std::string(s.name);
    if (lower(name) != s.name) continue;
    models::ModelConfig c;
    c.family = s.family;
    c.name = s.name;
    c.n_layers = s.n_layers;
    c.n_embd = s.n_embd;
    c.n_heads = s.n_heads;
    c.n_kv_heads = s.n_kv_heads;
    c.head_dim = s.head_dim;
    c.n_ff = s.n_ff;
    c.n_vocab = s.n_vocab;
    c.tied_output = s.tied;
    c.qkv_bias = s.bias;
    c.qk_norm = s.qk_norm;
    c.rope.n_rot = s.head_dim;
    return c;
  }
  return make_error(ErrorCode::kInvalidArgument, "--shape",
                    "expected one of " + names + "; found '" + name + "'");
}

Result<double> parse_bandwidth(const std::string& text) {
  double value = 0;
  std::string unit;
  if (split(text, value, unit)) {
    if (unit.empty() || unit == "gb/s") return value * 1e9;
    if (unit == "mb/s") return value * 1e6;
    if (unit == "tb/s") return value * 1e12;
  }
  return make_error(ErrorCode::kInvalidArgument, "--dram",
                    "expected a bandwidth like 400GB/s, found '" + text + "'");
}

Result<double> parse_bytes(const std::string& option, const std::string& text) {
  double value = 0;
  std::string unit;
  if (split(text, value, unit)) {
    for (const Unit& known : kUnits) {
      if (unit == known.name) return value * known.factor;
    }
  }
  return make_error(ErrorCode::kInvalidArgument, option,
                    "expected a size like 4GB or 800MiB, found '" + text + "'");
}

}  // namespace lowkey::apps
