// Writes the seeds of the file readers' corpora: small models of every family, one input each.
#include <cstdio>
#include <string>

#include "base/file_map.h"
#include "models/safetensors/file.h"
#include "tests/support/tiny_model.h"

namespace {

using lowkey::Status;
using lowkey::testing::TinySpec;

TinySpec small(const std::string& family) {
  TinySpec spec;
  spec.family = family;
  spec.n_layers = 1;
  spec.n_embd = 8;
  spec.n_heads = 2;
  spec.n_kv_heads = 1;
  spec.head_dim = 4;
  spec.n_ff = 8;
  spec.n_vocab = 4;
  spec.tied_output = family != "llama";
  spec.tokenizer = false;
  return spec;
}

/// The checkpoint as one file: config.json lies in the container's own metadata.
lowkey::Result<std::string> one_file(const TinySpec& spec) {
  const auto files = lowkey::testing::tiny_checkpoint(spec);
  const std::string& bytes = files.at("model.safetensors");
  LK_ASSIGN(const auto directory,
            lowkey::models::safetensors::parse(std::as_bytes(std::span(bytes.data(), bytes.size())),
                                               "seed"));
  return lowkey::models::safetensors::serialise({{"config", files.at("config.json")}},
                                                directory.tensors);
}

Status write_all(const std::string& root) {
  for (const std::string family : {"llama", "qwen2", "qwen3"}) {
    TinySpec spec = small(family);
    LK_ASSIGN(const std::string checkpoint, one_file(spec));
    LK_RETURN_IF_ERROR(lowkey::write_file_atomically(root + "/safetensors/" + family, checkpoint));
    spec.dtype = lowkey::DType::kF16;
    LK_RETURN_IF_ERROR(
        lowkey::write_file_atomically(root + "/gguf/" + family, lowkey::testing::tiny_gguf(spec)));
  }
  TinySpec spec = small("llama");
  spec.n_embd = spec.n_ff = 32;
  spec.head_dim = 16;
  spec.n_vocab = 262;
  spec.tokenizer = true;
  spec.dtype = lowkey::DType::kQ4_0;
  return lowkey::write_file_atomically(root + "/gguf/tokenizer", lowkey::testing::tiny_gguf(spec));
}

}  // namespace

int main(int argc, char** argv) {
  const Status status = write_all(argc > 1 ? argv[1] : ".");
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.error().message().c_str());
  return status.ok() ? 0 : status.error().exit_code();
}
