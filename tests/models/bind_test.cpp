// Configurations and tensors that do not fit: one error that names everything.
#include "models/bind.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "models/arch/read_config.h"
#include "tests/support/bytes.h"
#include "tests/support/tiny_model.h"

namespace lowkey::models {
namespace {

using lowkey::testing::TinySpec;

struct Parsed {
  std::vector<std::byte> bytes;
  gguf::Directory directory;
  std::vector<FoundTensor> found;
  Model model;
};

Parsed parsed(const TinySpec& spec = {}) {
  Parsed out;
  out.bytes = lowkey::testing::exact_bytes(lowkey::testing::tiny_gguf(spec));
  auto directory = gguf::parse(out.bytes, "tiny.gguf");
  EXPECT_TRUE(directory.ok());
  out.directory = std::move(directory).value();
  auto config = arch::config_from_gguf(out.directory);
  EXPECT_TRUE(config.ok()) << config.error().message();
  out.model.config = std::move(config).value();
  out.model.path = "tiny.gguf";
  for (const auto& tensor : out.directory.tensors) {
    out.found.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes});
  }
  return out;
}

FoundTensor& named(Parsed& parsed, const std::string& name) {
  for (FoundTensor& tensor : parsed.found) {
    if (tensor.name == name) return tensor;
  }
  ADD_FAILURE() << name;
  return parsed.found[0];
}

TEST(Bind, NamesEveryMisfitWithExpectedAndFoundShape) {
  Parsed p = parsed();
  named(p, "blk.0.attn_k.weight").shape = {64, 32};
  named(p, "blk.1.attn_norm.weight").shape = {65};
  named(p, "blk.1.ffn_up.weight").name = "blk.1.ffn_upp.weight";
  const Status status = bind_tensors(p.found, arch::Naming::kGguf, p.model);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidData);
  EXPECT_EQ(status.error().message(),
            "tiny.gguf: 4 tensors do not fit the configuration:"
            "\n  blk.0.attn_k.weight: expected [32, 64], found [64, 32]"
            "\n  blk.1.attn_norm.weight: expected [64], found [65]"
            "\n  blk.1.ffn_up.weight: expected [96, 64], found no such tensor"
            "\n  blk.1.ffn_upp.weight: expected no such tensor in this family, found [96, 64]");
}

TEST(Bind, CapsTheListAndSaysHowManyMore) {
  Parsed p = parsed();
  const Status status = bind_tensors({}, arch::Naming::kGguf, p.model);
  ASSERT_FALSE(status.ok());
  const std::string what = status.error().what;
  EXPECT_EQ(std::ranges::count(what, '\n'), 20);
  EXPECT_EQ(what.rfind("20 tensors", 0), 0u) << what;
  Parsed more = parsed({.n_layers = 4});
  const Status longer = bind_tensors({}, arch::Naming::kGguf, more.model);
  EXPECT_NE(longer.error().what.find("\n  and 18 more"), std::string::npos) << longer.error().what;
}

TEST(Bind, RefusesVectorsInBlocksAndBytesThatDoNotFit) {
  Parsed p = parsed();
  named(p, "output_norm.weight").dtype = DType::kQ8_0;
  named(p, "output_norm.weight").bytes = std::span(p.bytes).first(68);
  named(p, "blk.0.attn_q.weight").bytes = std::span(p.bytes).first(64);
  named(p, "blk.0.attn_v.weight").bytes = std::span(p.bytes).subspan(1, 32 * 64 * 4);
  const Status status = bind_tensors(p.found, arch::Naming::kGguf, p.model);
  ASSERT_FALSE(status.ok());
  const std::string what = status.error().what;
  EXPECT_NE(what.find("output_norm.weight: expected a vector of F32"), std::string::npos) << what;
  EXPECT_NE(what.find("attn_q.weight: expected 16384 bytes, found 64"), std::string::npos) << what;
  EXPECT_NE(what.find("attn_v.weight: expected data aligned"), std::string::npos) << what;
}

TEST(Bind, LeavesRedundantTensorsAside) {
  Parsed p = parsed();
  FoundTensor output = named(p, "token_embd.weight");
  output.name = "lm_head.weight";
  p.found.push_back(output);
  FoundTensor table = named(p, "output_norm.weight");
  table.name = "model.layers.0.self_attn.rotary_emb.inv_freq";
  p.found.push_back(table);
  const Status status = bind_tensors(p.found, arch::Naming::kGguf, p.model);
  EXPECT_TRUE(status.ok()) << status.error().message();
}

}  // namespace
}  // namespace lowkey::models
