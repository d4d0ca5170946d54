// The GGUF directory: what a good file gives, and that a bad one gives an error, never a crash.
#include <gtest/gtest.h>

#include "models/gguf/file.h"
#include "tests/support/bytes.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/tiny_model.h"

namespace lowkey::models::gguf {
namespace {

using lowkey::testing::exact_bytes;
using lowkey::testing::GgufWriter;
using lowkey::testing::raw;

std::string floats(size_t n) { return std::string(n * 4, '\0'); }

/// Two tensors of 8 floats each, one pair.
GgufWriter good() {
  GgufWriter writer;
  writer.add_u32("a", 7);
  writer.add_tensor("first", {4, 2}, DType::kF32, floats(8));
  writer.add_tensor("second", {8}, DType::kF32, floats(8));
  return writer;
}

Result<Directory> parse_text(const std::string& text) {
  static std::vector<std::byte> bytes;  // outlives the views of the result
  bytes = exact_bytes(text);
  return parse(bytes, "x.gguf");
}

TEST(GgufFile, GivesTensorsWithShapesOutermostFirst) {
  const auto directory = parse_text(good().bytes());
  ASSERT_TRUE(directory.ok()) << directory.error().message();
  EXPECT_EQ(directory->version, 3u);
  ASSERT_EQ(directory->tensors.size(), 2u);
  EXPECT_EQ(directory->tensors[0].name, "first");
  EXPECT_EQ(directory->tensors[0].shape, (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(directory->tensors[1].shape, (std::vector<int64_t>{8}));
  EXPECT_EQ(directory->tensors[1].bytes.size(), 32u);
  EXPECT_EQ(directory->tensors[1].bytes.data() - directory->tensors[0].bytes.data(), 32);
}

TEST(GgufFile, ReadsVersion2AndOtherAlignments) {
  GgufWriter writer = good();
  writer.version = 2;
  writer.alignment = 64;
  writer.add_u32("general.alignment", 64);
  const auto directory = parse_text(writer.bytes());
  ASSERT_TRUE(directory.ok()) << directory.error().message();
  EXPECT_EQ(directory->alignment, 64u);
  EXPECT_EQ(directory->tensors[1].bytes.data() - directory->tensors[0].bytes.data(), 64);
}

TEST(GgufFile, SizesEverySupportedType) {
  const std::pair<DType, uint64_t> kTypes[] = {
      {DType::kF32, 1024}, {DType::kF16, 512},  {DType::kBF16, 512}, {DType::kQ8_0, 272},
      {DType::kQ4_0, 144}, {DType::kQ4_1, 160}, {DType::kQ5_0, 176}, {DType::kQ5_1, 192},
      {DType::kQ4_K, 144}, {DType::kQ5_K, 176}, {DType::kQ6_K, 210}};
  for (const auto& [dtype, n_bytes] : kTypes) {
    GgufWriter writer;
    writer.add_tensor("t", {256}, dtype, std::string(n_bytes, '\0'));
    const auto directory = parse_text(writer.bytes());
    ASSERT_TRUE(directory.ok()) << directory.error().message();
    EXPECT_EQ(directory->tensors[0].dtype, dtype);
    EXPECT_EQ(directory->tensors[0].bytes.size(), n_bytes);
  }
}

struct Bad {
  const char* what;
  ErrorCode code;
  const char* message;  // a part of it
  void (*bend)(GgufWriter&);
};

const Bad kBad[] = {
    {"magic", ErrorCode::kInvalidData, "expected the magic 'GGUF'",
     [](GgufWriter& w) { w.magic = 0x46464646; }},
    {"version 1", ErrorCode::kUnsupported, "expected GGUF version 2 or 3, found 1",
     [](GgufWriter& w) { w.version = 1; }},
    {"big-endian", ErrorCode::kUnsupported, "big-endian",
     [](GgufWriter& w) { w.version = 0x03000000; }},
    {"tensor count", ErrorCode::kInvalidData, "what is left of the file",
     [](GgufWriter& w) { w.extra_tensors = uint64_t{1} << 60; }},
    {"pair count", ErrorCode::kInvalidData, "metadata pairs (what is left of the file)",
     [](GgufWriter& w) { w.extra_pairs = ~uint64_t{0} - 1; }},
    {"double key", ErrorCode::kInvalidData, "'a' appears twice",
     [](GgufWriter& w) { w.add_u32("a", 1); }},
    {"value type", ErrorCode::kInvalidData, "value type below 13, found 13",
     [](GgufWriter& w) { w.add("b", 13, raw(0)); }},
    {"bool of 2", ErrorCode::kInvalidData, "bool of 0 or 1, found 2",
     [](GgufWriter& w) { w.add("b", 7, "\2"); }},
    {"string length", ErrorCode::kInvalidData, "file ends inside a string value",
     [](GgufWriter& w) { w.add("b", 8, raw(~uint64_t{0})); }},
    {"array length", ErrorCode::kInvalidData, "expected an array of at most",
     [](GgufWriter& w) { w.add("b", 9, raw(uint32_t{10}) + raw(uint64_t{1} << 61)); }},
    {"string array", ErrorCode::kInvalidData, "expected an array of at most",
     [](GgufWriter& w) { w.add("b", 9, raw(uint32_t{8}) + raw(uint64_t{1} << 61)); }},
    {"nested array", ErrorCode::kInvalidData, "array of arrays",
     [](GgufWriter& w) { w.add("b", 9, raw(uint32_t{9}) + raw(uint64_t{1})); }},
    {"array type", ErrorCode::kInvalidData, "element type below 13, found 99",
     [](GgufWriter& w) { w.add("b", 9, raw(uint32_t{99}) + raw(uint64_t{1})); }},
    {"alignment 0", ErrorCode::kInvalidData, "power of two from 8 to 65536, found 0",
     [](GgufWriter& w) { w.add_u32("general.alignment", 0); }},
    {"alignment 48", ErrorCode::kInvalidData, "found 48",
     [](GgufWriter& w) { w.add_u32("general.alignment", 48); }},
    {"alignment 2^31", ErrorCode::kInvalidData, "found 2147483648",
     [](GgufWriter& w) { w.add_u32("general.alignment", 1u << 31); }},
    {"alignment type", ErrorCode::kInvalidData, "'general.alignment': expected an unsigned",
     [](GgufWriter& w) { w.add_string("general.alignment", "32"); }},
    {"double tensor", ErrorCode::kInvalidData, "tensor 'first' appears twice",
     [](GgufWriter& w) { w.add_tensor("first", {1}, DType::kF32, floats(1)); }},
    {"no dimensions", ErrorCode::kInvalidData, "'t': expected 1 to 4 dimensions, found 0",
     [](GgufWriter& w) { w.add_tensor("t", {}, DType::kF32, floats(1)); }},
    {"five dimensions", ErrorCode::kInvalidData, "expected 1 to 4 dimensions, found 5",
     [](GgufWriter& w) {
       w.add_tensor("t", {1, 1, 1, 1, 1}, DType::kF32, floats(1));
     }},
    {"dimension 0", ErrorCode::kInvalidData, "found dimension 0",
     [](GgufWriter& w) {
       w.add_tensor("t", {4, 0}, DType::kF32, floats(1));
     }},
    {"overflow", ErrorCode::kInvalidData, "'t': expected positive dimensions",
     [](GgufWriter& w) {
       w.add_tensor("t", {uint64_t{1} << 32, uint64_t{1} << 32}, DType::kF32, floats(1));
     }},
    {"unknown type", ErrorCode::kUnsupported, "found type 77",
     [](GgufWriter& w) { w.add_tensor("t", {1}, 77u, floats(1)); }},
    {"type of others", ErrorCode::kUnsupported, "tensor 't': expected one of F32, F16",
     [](GgufWriter& w) { w.add_tensor("t", {256}, 10u, floats(21)); }},
    {"its name", ErrorCode::kUnsupported, "found Q2_K",
     [](GgufWriter& w) { w.add_tensor("t", {256}, 10u, floats(21)); }},
    {"partial block", ErrorCode::kInvalidData, "multiple of 32 elements, found 48",
     [](GgufWriter& w) {
       w.add_tensor("t", {48, 2}, DType::kQ8_0, std::string(102, '\0'));
     }},
    {"beyond the end", ErrorCode::kInvalidData, "'second': expected 32 bytes from offset 96",
     [](GgufWriter& w) {
       w.forced_offsets = {{1, 96}};
     }},
    {"wraps around", ErrorCode::kInvalidData, "tensor 'second'",
     [](GgufWriter& w) {
       w.forced_offsets = {{1, ~uint64_t{31}}};
     }},
    {"unaligned", ErrorCode::kInvalidData, "multiple of 32, found 8",
     [](GgufWriter& w) {
       w.forced_offsets = {{1, 8}};
     }},
    {"overlap", ErrorCode::kInvalidData, "tensors 'first' and 'second' overlap at offset 0",
     [](GgufWriter& w) {
       w.forced_offsets = {{1, 0}};
     }},
};

TEST(GgufFile, RefusesEveryBentFile) {
  for (const Bad& bad : kBad) {
    GgufWriter writer = good();
    bad.bend(writer);
    const auto directory = parse_text(writer.bytes());
    ASSERT_FALSE(directory.ok()) << bad.what;
    EXPECT_EQ(directory.error().code, bad.code) << bad.what;
    const std::string message = directory.error().message();
    EXPECT_NE(message.find(bad.message), std::string::npos) << bad.what << ": " << message;
    EXPECT_EQ(message.rfind("x.gguf", 0), 0u) << message;
  }
}

TEST(GgufFile, RefusesEveryTruncation) {
  const std::string whole = good().bytes();
  for (size_t n = 0; n < whole.size(); ++n) {
    const auto directory = parse_text(whole.substr(0, n));
    ASSERT_FALSE(directory.ok()) << n << " of " << whole.size() << " bytes";
    EXPECT_EQ(directory.error().exit_code(), 2);
  }
}

TEST(GgufFile, SurvivesEveryBitFlip) {
  const std::string whole = good().bytes();
  int n_refused = 0;
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bent = whole;
    bent[bit / 8] = char(bent[bit / 8] ^ (1 << bit % 8));
    const auto bytes = exact_bytes(bent);
    const auto directory = parse(bytes, "x.gguf");
    n_refused += !directory.ok();
    if (!directory.ok()) continue;
    for (const TensorInfo& tensor : directory->tensors) {
      EXPECT_TRUE(lowkey::testing::lies_inside(tensor.bytes, bytes)) << "bit " << bit;
    }
  }
  EXPECT_GT(n_refused, 500);  // most of the header's bits matter
}

}  // namespace
}  // namespace lowkey::models::gguf
