#include "engine/kv/spec.h"

#include "engine/kv/block_code.h"

namespace lowkey::engine {

namespace {

struct Named {
  std::string_view name;
  simd::KvType type;
  bool hadamard;
};

constexpr Named kTypes[] = {
    {"f32", simd::KvType::kF32, false},   {"f16", simd::KvType::kF16, false},
    {"bf16", simd::KvType::kBF16, false}, {"q8_0", simd::KvType::kQ8_0, false},
    {"q4_0", simd::KvType::kQ4_0, false}, {"q8_0h", simd::KvType::kQ8_0, true},
    {"q4_0h", simd::KvType::kQ4_0, true},
};

}  // namespace

Result<CacheSpec> parse_cache_type(std::string_view name) {
  std::string names;
  for (const Named& known : kTypes) {
    if (known.name == name) {
      CacheSpec spec;
      spec.type = known.type;
      spec.hadamard = known.hadamard;
      return spec;
    }
    names += (names.empty() ? "" : ", ") + std::string(known.name);
  }
  if (auto control = hadamard_control(name)) return *std::move(control);
  names += ", hadamard-k2v2 ... hadamard-k4v4";
  return make_error(ErrorCode::kInvalidArgument, "--cache",
                    "expected one of " + names + "; found '" + std::string(name) + "'");
}

std::string cache_name(const CacheSpec& spec) {
  if (spec.latent) return "latent";
  if (!spec.codec_name.empty()) return spec.codec_name;
  for (const Named& known : kTypes) {
    if (known.type == spec.type && known.hadamard == spec.hadamard) return std::string(known.name);
  }
  return "?";
}

}  // namespace lowkey::engine
