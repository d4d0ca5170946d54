// Typed getters of GGUF metadata: values, fallbacks, and errors that name key and type.
#include <gtest/gtest.h>

#include "models/gguf/file.h"
#include "models/gguf/metadata.h"
#include "tests/support/bytes.h"
#include "tests/support/gguf_writer.h"

namespace lowkey::models::gguf {
namespace {

using lowkey::testing::raw;

class GgufMetadata : public ::testing::Test {
 protected:
  void SetUp() override {
    lowkey::testing::GgufWriter writer;
    writer.add("u8", 0, raw(uint8_t{200}));
    writer.add("i8", 1, raw(int8_t{-5}));
    writer.add("u16", 2, raw(uint16_t{65535}));
    writer.add("i16", 3, raw(int16_t{-300}));
    writer.add_u32("u32", 4'000'000'000);
    writer.add("i32", 5, raw(int32_t{-70000}));
    writer.add("u64", 10, raw(~uint64_t{0}));
    writer.add("i64", 11, raw(int64_t{-1} << 40));
    writer.add_f32("f32", 0.5f);
    writer.add("f64", 12, raw(0.25));
    writer.add_bool("yes", true);
    writer.add_string("text", "caf\xc3\xa9");
    writer.add_strings("strings", {"", "one", "two"});
    writer.add_floats("floats", {1.0f, -2.0f});
    writer.add_ints("ints", {3, -4});
    writer.add("wide", 9, raw(uint32_t{4}) + raw(uint64_t{1}) + raw(uint32_t{3'000'000'000}));
    bytes_ = lowkey::testing::exact_bytes(writer.bytes());
    auto directory = parse(bytes_, "x.gguf");
    ASSERT_TRUE(directory.ok()) << directory.error().message();
    metadata_ = directory->metadata;
  }

  std::vector<std::byte> bytes_;
  Metadata metadata_;
};

TEST_F(GgufMetadata, ReadsIntegersOfEveryWidth) {
  EXPECT_EQ(*metadata_.get_i64("u8"), 200);
  EXPECT_EQ(*metadata_.get_i64("i8"), -5);
  EXPECT_EQ(*metadata_.get_i64("u16"), 65535);
  EXPECT_EQ(*metadata_.get_i64("i16"), -300);
  EXPECT_EQ(*metadata_.get_i64("u32"), 4'000'000'000);
  EXPECT_EQ(*metadata_.get_i64("i32"), -70000);
  EXPECT_EQ(*metadata_.get_i64("i64"), int64_t{-1} << 40);
  EXPECT_EQ(*metadata_.get_u64("u64"), ~uint64_t{0});
}

TEST_F(GgufMetadata, ReadsNumbersTextAndArrays) {
  EXPECT_EQ(*metadata_.get_f32("f32"), 0.5f);
  EXPECT_EQ(*metadata_.get_f64("f64"), 0.25);
  EXPECT_TRUE(*metadata_.get_bool("yes"));
  EXPECT_EQ(*metadata_.get_string("text"), "caf\xc3\xa9");
  EXPECT_EQ(*metadata_.get_strings("strings"), (std::vector<std::string_view>{"", "one", "two"}));
  EXPECT_EQ(*metadata_.get_floats("floats"), (std::vector<float>{1, -2}));
  EXPECT_EQ(*metadata_.get_ints("ints"), (std::vector<int32_t>{3, -4}));
}

TEST_F(GgufMetadata, FallsBackOnlyWhereTheKeyIsAbsent) {
  EXPECT_EQ(*metadata_.get_i64_or("none", 9), 9);
  EXPECT_EQ(*metadata_.get_i64_or("i8", 9), -5);
  EXPECT_FALSE(metadata_.get_i64_or("text", 9).ok());
  EXPECT_EQ(*metadata_.get_string_or("none", "x"), "x");
  EXPECT_EQ(*metadata_.get_bool_or("none", true), true);
  EXPECT_EQ(*metadata_.get_f64_or("none", 2.0), 2.0);
}

TEST_F(GgufMetadata, NamesKeyAndTypesInErrors) {
  EXPECT_EQ(metadata_.get_i64("none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(metadata_.get_i64("none").error().message(), "x.gguf: no metadata key 'none'");
  EXPECT_EQ(metadata_.get_string("u8").error().message(),
            "x.gguf: metadata key 'u8': expected a string, found u8");
  EXPECT_EQ(metadata_.get_floats("ints").error().message(),
            "x.gguf: metadata key 'ints': expected an array of f32, found array of i32");
  EXPECT_FALSE(metadata_.get_i64("u64").ok()) << "2^64 - 1 does not fit";
  EXPECT_FALSE(metadata_.get_u64("i8").ok()) << "negative";
  EXPECT_FALSE(metadata_.get_ints("wide").ok()) << "3e9 does not fit 32 bits";
  EXPECT_FALSE(metadata_.get_ints("strings").ok());
  EXPECT_FALSE(metadata_.get_ints("floats").ok());
  EXPECT_FALSE(metadata_.get_strings("text").ok());
  EXPECT_FALSE(metadata_.get_f64("u32").ok());
  EXPECT_FALSE(metadata_.get_bool("u8").ok());
}

}  // namespace
}  // namespace lowkey::models::gguf
