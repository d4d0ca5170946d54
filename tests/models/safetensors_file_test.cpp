// The safetensors container: round trips, and errors for every way a header can lie.
#include <gtest/gtest.h>

#include "models/safetensors/file.h"
#include "tests/support/assets.h"
#include "tests/support/bytes.h"
#include "tests/support/gguf_writer.h"

namespace lowkey::models::safetensors {
namespace {

using lowkey::testing::exact_bytes;

std::string container(const std::string& header, size_t n_data) {
  return lowkey::testing::raw(uint64_t{header.size()}) + header + std::string(n_data, '\1');
}

Result<Directory> parse_text(const std::string& text) {
  static std::vector<std::byte> bytes;  // outlives the views of the result
  bytes = exact_bytes(text);
  return parse(bytes, "x.safetensors");
}

const std::string kGood = R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                          R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},)"
                          R"("__metadata__":{"format":"pt"}})";

TEST(Safetensors, GivesTensorsAndMetadata) {
  const auto directory = parse_text(container(kGood, 32));
  ASSERT_TRUE(directory.ok()) << directory.error().message();
  EXPECT_EQ(directory->metadata.at("format"), "pt");
  ASSERT_EQ(directory->tensors.size(), 2u);
  EXPECT_EQ(directory->tensors[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(directory->tensors[0].n_elements(), 6);
  ASSERT_NE(directory->find("b"), nullptr);
  EXPECT_EQ(directory->find("b")->type, ElementType::kBF16);
  EXPECT_EQ(directory->find("c"), nullptr);
}

TEST(Safetensors, ReadsBackWhatItWrites) {
  const lowkey::testing::TemporaryFolder folder;
  const std::vector<std::byte> data = exact_bytes(std::string(48, '\7'));
  const std::span<const std::byte> bytes(data);
  const std::vector<Tensor> written = {{"wide", ElementType::kF64, {2, 3}, bytes},
                                       {"codes", ElementType::kI8, {1, 5}, bytes.first(5)},
                                       {"scalar", ElementType::kU8, {}, bytes.first(1)},
                                       {"none", ElementType::kI32, {0, 7}, {}}};
  const std::string path = folder.path("x.safetensors");
  const Status status =
      write_safetensors(path, {{"version", "1"}, {"note", "\"quoted\""}}, written);
  ASSERT_TRUE(status.ok()) << status.error().message();
  const auto file = open(path);
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->directory.metadata.at("note"), "\"quoted\"");
  ASSERT_EQ(file->directory.tensors.size(), written.size());
  for (const Tensor& tensor : written) {
    const Tensor* read = file->directory.find(tensor.name);
    ASSERT_NE(read, nullptr) << tensor.name;
    EXPECT_EQ(read->type, tensor.type);
    EXPECT_EQ(read->shape, tensor.shape);
    EXPECT_TRUE(std::ranges::equal(read->bytes, tensor.bytes));
  }
  EXPECT_EQ((file->directory.find("wide")->bytes.data() - file->map.bytes().data()) % 8, 0);
}

TEST(Safetensors, RefusesToWriteNonsense) {
  const std::vector<std::byte> data(8);
  const Tensor good = {"a", ElementType::kF32, {2}, data};
  EXPECT_FALSE(serialise({}, {good, good}).ok()) << "double name";
  EXPECT_FALSE(serialise({}, {{"__metadata__", ElementType::kF32, {2}, data}}).ok());
  EXPECT_FALSE(serialise({}, {{"", ElementType::kF32, {2}, data}}).ok());
  EXPECT_FALSE(serialise({}, {{"a", ElementType::kF32, {3}, data}}).ok()) << "too few bytes";
  EXPECT_FALSE(serialise({}, {{"a", ElementType::kF32, {-2}, data}}).ok());
}

struct Bad {
  const char* header;
  size_t n_data;
  const char* message;  // a part of it
};

const Bad kBad[] = {
    {"", 0, "expected JSON"},
    {"[]", 0, "expected a JSON object, found a JSON array"},
    {R"({"a":1})", 0, "tensor 'a': expected an object"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 3, "of at most 3"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5, "cover all 5 bytes"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "two rising"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4, "counts from 0"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "two rising"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})", 4, "at most 2 counts"},
    {R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "'shape'"},
    {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
     "tensor 'a': expected 8 bytes for its shape, found 4"},
    {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", 4,
     "at most 2^53 bytes"},
    {R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}})", 4,
     "counts from 0"},
    {R"({"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}})", 4, "found 'F8_E4M3'"},
    {R"({"a":{"shape":[4],"data_offsets":[0,4]}})", 4, "'dtype' to be a string"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
     R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
     8, "'a' twice"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
     R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
     4, "'b': expected data that begins"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
     R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
     12, "begins at offset 4"},
    {R"({"__metadata__":{"n":1}})", 0, "__metadata__ 'n': expected a string"},
    {R"({"__metadata__":[]})", 0, "__metadata__: expected an object"},
    {R"({"a":1e999})", 0, "expected JSON"},
    {"{\"\xff\":1}", 0, "expected JSON"},
};

TEST(Safetensors, RefusesEveryBentHeader) {
  for (const Bad& bad : kBad) {
    const auto directory = parse_text(container(bad.header, bad.n_data));
    ASSERT_FALSE(directory.ok()) << bad.header;
    EXPECT_EQ(directory.error().exit_code(), 2);
    const std::string message = directory.error().message();
    EXPECT_NE(message.find(bad.message), std::string::npos) << bad.header << "\n" << message;
  }
}

TEST(Safetensors, RefusesDeepNestingAndHugeHeaders) {
  const std::string deep = R"({"a":)" + std::string(100'000, '[');
  const auto nested = parse_text(container(deep, 0));
  ASSERT_FALSE(nested.ok());
  EXPECT_NE(nested.error().what.find("nesting"), std::string::npos) << nested.error().message();

  const auto huge = parse_text(lowkey::testing::raw(uint64_t{1} << 62) + "{}");
  ASSERT_FALSE(huge.ok());
  EXPECT_NE(huge.error().what.find("at most 100000000"), std::string::npos);
}

TEST(Safetensors, RefusesEveryTruncation) {
  const std::string whole = container(kGood, 32);
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(parse_text(whole.substr(0, n)).ok()) << n;
}

TEST(Safetensors, SurvivesEveryBitFlip) {
  const std::string whole = container(kGood, 32);
  int n_refused = 0;
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bent = whole;
    bent[bit / 8] = char(bent[bit / 8] ^ (1 << bit % 8));
    const auto bytes = exact_bytes(bent);
    const auto directory = parse(bytes, "x.safetensors");
    n_refused += !directory.ok();
    if (!directory.ok()) continue;
    for (const Tensor& tensor : directory->tensors) {
      EXPECT_TRUE(lowkey::testing::lies_inside(tensor.bytes, bytes)) << "bit " << bit;
    }
  }
  EXPECT_GT(n_refused, 500);  // most of the header's bits matter
}

}  // namespace
}  // namespace lowkey::models::safetensors
