// What every fuzz target of the file readers does, so that unit tests can replay it too.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "models/arch/read_config.h"
#include "models/bind.h"
#include "models/gguf/file.h"
#include "models/json.h"
#include "models/safetensors/file.h"

namespace lowkey::testing {

/// Reads one byte per page and the last: a view that leaves its buffer is a sanitizer error.
inline unsigned touch(std::span<const std::byte> bytes) {
  unsigned sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 4096) sum += unsigned(bytes[i]);
  return bytes.empty() ? sum : sum + unsigned(bytes.back());
}

inline void read_all_metadata(const models::gguf::Metadata& metadata) {
  for (const auto& [key, value] : metadata.values()) {
    LK_CHECK(metadata.find(key) == &value, "a listed key is found");
    (void)metadata.get_u64(key).ok();
    (void)metadata.get_f32(key).ok();
    (void)metadata.get_bool(key).ok();
    (void)metadata.get_ints(key).ok();
    (void)metadata.get_floats(key).ok();
    if (const auto text = metadata.get_string(key); text.ok()) {
      touch(std::as_bytes(std::span(text->data(), text->size())));
    }
    if (const auto strings = metadata.get_strings(key); strings.ok()) {
      LK_CHECK(strings->size() == value.n, "all strings are there");
    }
  }
}

/// Binds and checks what a caller relies on. True if the model is whole.
inline bool bind_and_check(const std::vector<models::FoundTensor>& found,
                           models::arch::Naming naming, models::ModelConfig config) {
  models::Model model;
  model.config = std::move(config);
  const Status status = models::bind_tensors(found, naming, model);
  if (!status.ok()) return false;
  LK_CHECK(model.output.present() && model.layers.size() == size_t(model.config.n_layers),
           "a bound model is whole");
  for (const models::LayerTensors& layer : model.layers) {
    touch(layer.q.bytes);
    touch(layer.down.bytes);
    LK_CHECK(layer.q.n_rows == model.config.n_q(), "a bound tensor has its shape");
  }
  return true;
}

/// A whole GGUF file: directory, metadata, configuration, tensors. True if a model came out.
inline bool fuzz_gguf(std::span<const std::byte> bytes) {
  const auto directory = models::gguf::parse(bytes, "fuzz");
  if (!directory.ok()) return false;
  read_all_metadata(directory->metadata);
  std::vector<models::FoundTensor> found;
  for (const auto& tensor : directory->tensors) {
    touch(tensor.bytes);
    found.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes});
  }
  auto config = models::arch::config_from_gguf(*directory);
  return config.ok() && bind_and_check(found, models::arch::Naming::kGguf, *config);
}

/// A safetensors file whose metadata may hold a config.json under "config".
inline bool fuzz_safetensors(std::span<const std::byte> bytes) {
  const auto directory = models::safetensors::parse(bytes, "fuzz");
  if (!directory.ok()) return false;
  const auto again = models::safetensors::serialise(directory->metadata, directory->tensors);
  std::vector<models::FoundTensor> found;
  for (const auto& tensor : directory->tensors) {
    touch(tensor.bytes);
    LK_CHECK(int64_t(tensor.bytes.size()) ==
                 tensor.n_elements() * models::safetensors::element_bytes(tensor.type),
             "whole elements");
    found.push_back({tensor.name, DType::kF32, tensor.shape, tensor.bytes});
  }
  const auto text = directory->metadata.find("config");
  if (text == directory->metadata.end()) return again.ok();
  const auto object = models::parse_json_object(text->second, "config");
  if (!object.ok()) return false;
  const auto config = models::arch::config_from_json(*object, "config", false);
  return config.ok() && bind_and_check(found, models::arch::Naming::kHuggingFace, *config);
}

}  // namespace lowkey::testing
