// Checkpoints in several files: the index is held to its word and may not leave its folder.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "models/model.h"
#include "models/safetensors/file.h"
#include "tests/support/assets.h"
#include "tests/support/bytes.h"
#include "tests/support/tiny_model.h"

namespace lowkey::models {
namespace {

using lowkey::testing::TemporaryFolder;
using nlohmann::json;

/// A tiny checkpoint cut into two files after its third tensor.
class LoadSharded : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto files = lowkey::testing::tiny_checkpoint({});
    folder_.write("config.json", files.at("config.json"));
    bytes_ = lowkey::testing::exact_bytes(files.at("model.safetensors"));
    auto directory = safetensors::parse(bytes_, "whole");
    ASSERT_TRUE(directory.ok());
    const auto& all = directory->tensors;
    parts_ = {{all.begin(), all.begin() + 3}, {all.begin() + 3, all.end()}};
    index_ = {{"weight_map", json::object()}};
    for (size_t part = 0; part < 2; ++part) {
      for (const auto& tensor : parts_[part]) index_["weight_map"][tensor.name] = file(part);
    }
  }

  static std::string file(size_t part) { return "part" + std::to_string(part) + ".safetensors"; }

  Result<Model> load(bool with_index = true) {
    for (size_t part = 0; part < 2; ++part) {
      const auto bytes = safetensors::serialise({}, parts_[part]);
      EXPECT_TRUE(bytes.ok());
      folder_.write(file(part), *bytes);
    }
    if (with_index) folder_.write("model.safetensors.index.json", index_.dump());
    return load_model(folder_.path());
  }

  void expect_error(const Result<Model>& model, const std::string& part) {
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.error().exit_code(), 2);
    const std::string message = model.error().message();
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }

  TemporaryFolder folder_;
  std::vector<std::byte> bytes_;
  std::vector<std::vector<safetensors::Tensor>> parts_;
  json index_;
};

TEST_F(LoadSharded, ReadsWithAndWithoutAnIndex) {
  const auto plain = load(false);
  ASSERT_TRUE(plain.ok()) << plain.error().message();
  const auto indexed = load();
  ASSERT_TRUE(indexed.ok()) << indexed.error().message();
  EXPECT_EQ(indexed->files.size(), 2u);
  EXPECT_TRUE(std::ranges::equal(plain->layers[1].down.bytes, indexed->layers[1].down.bytes));
}

TEST_F(LoadSharded, RefusesAnIndexThatLies) {
  index_["weight_map"]["model.norm.weight"] = file(0);
  expect_error(load(), "tensor 'model.norm.weight': the index and part0.safetensors disagree");
  index_["weight_map"].erase("model.norm.weight");
  expect_error(load(), "disagree on whether it is there");
}

TEST_F(LoadSharded, RefusesAnIndexThatLeavesItsFolder) {
  index_["weight_map"]["model.norm.weight"] = "../../etc/model.safetensors";
  expect_error(load(), "tensor 'model.norm.weight': expected the name of a .safetensors file");
  index_["weight_map"]["model.norm.weight"] = 7;
  expect_error(load(), "expected the name of a .safetensors file");
  index_ = {{"weight_map", 1}};
  expect_error(load(), "expected an object 'weight_map'");
}

TEST_F(LoadSharded, NamesMissingPartsAndDoubleTensors) {
  index_["weight_map"]["extra"] = "part9.safetensors";
  expect_error(load(), "part9.safetensors");
  parts_[1].push_back(parts_[0][0]);
  EXPECT_EQ(std::remove(folder_.path("model.safetensors.index.json").c_str()), 0);
  expect_error(load(false), parts_[0][0].name + ": found twice");
}

}  // namespace
}  // namespace lowkey::models
