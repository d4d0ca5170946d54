#include <gtest/gtest.h>

#include <cmath>

#include "base/file_map.h"
#include "models/basis/basis.h"
#include "models/basis/layout.h"
#include "models/safetensors/file.h"
#include "tests/models/basis_sample.h"
#include "tests/support/assets.h"

namespace lowkey::models {
namespace {

using testing::sample_basis;

/// Changes bytes of the file and puts the hash right again: damage that only checks can find.
std::string edited(std::string bytes, const std::string& from, const std::string& to) {
  const size_t at = bytes.find(from);
  EXPECT_NE(at, bytes.npos) << from;
  EXPECT_EQ(from.size(), to.size());
  bytes.replace(at, from.size(), to);
  const size_t hash = basis::find_hash(bytes).value();
  return bytes.replace(hash, basis::kHashDigits, basis::hash_of_file(bytes, hash));
}

std::string error_of(const std::string& bytes) {
  const auto file = parse_basis(bytes, "x.lkb");
  return file.ok() ? "" : file.error().message();
}

TEST(BasisFileTest, ReadsBackWhatWasWritten) {
  const testing::TemporaryFolder folder;
  const BasisFile file = sample_basis();
  const std::string path = folder.path("a.lkb");
  ASSERT_TRUE(write_basis(path, file).ok());
  const auto back = read_basis(path);
  ASSERT_TRUE(back.ok()) << back.error().message();
  EXPECT_EQ(back->method, "fisher");
  EXPECT_EQ(back->text_hash, file.text_hash);
  EXPECT_EQ(back->n_tokens, 16384);
  EXPECT_EQ(back->seed, 7u);
  EXPECT_EQ(back->bits_per_element, 2.5);
  ASSERT_EQ(back->layers.size(), 2u);
  EXPECT_EQ(back->layers[1].v.sensitivity, file.layers[1].v.sensitivity);
  const HeadBasis& found = back->layers[1].k.heads[1];
  const HeadBasis& expected = file.layers[1].k.heads[1];
  EXPECT_EQ(found.encoder, expected.encoder);
  EXPECT_EQ(found.decoder, expected.decoder);
  EXPECT_EQ(found.mean, expected.mean);
  EXPECT_EQ(found.variances, expected.variances);
  EXPECT_EQ(found.costs, expected.costs);
  EXPECT_EQ(found.widths, expected.widths);
  EXPECT_EQ(found.steps, expected.steps);
  EXPECT_EQ(serialise_basis(*back).value(), serialise_basis(file).value());
}

TEST(BasisFileTest, JointBasesHaveOneHeadOfAllCoordinates) {
  BasisFile file = sample_basis();
  file.joint = true;
  file.head_dim = 2;  // two KV heads of 2 make latents of 4
  for (auto& layer : file.layers) {
    layer.k.heads.resize(1);
    layer.v.heads.resize(1);
  }
  const auto bytes = serialise_basis(file);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message();
  const auto back = parse_basis(*bytes, "x.lkb");
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->layers[0].k.heads[0].d(), 4);
}

TEST(BasisFileTest, IsAnOrdinarySafetensorsFile) {
  const std::string bytes = serialise_basis(sample_basis()).value();
  const auto directory = safetensors::parse(std::as_bytes(std::span(bytes)), "x.lkb");
  ASSERT_TRUE(directory.ok());
  const auto* encoder = directory->find("layers.1.v.encoder");
  ASSERT_NE(encoder, nullptr);
  EXPECT_EQ(encoder->shape, (std::vector<int64_t>{2, 4, 4}));
}

TEST(BasisDamageTest, EveryCutIsRefused) {
  const std::string bytes = serialise_basis(sample_basis()).value();
  for (size_t n = 0; n < bytes.size(); ++n) ASSERT_NE(error_of(bytes.substr(0, n)), "") << n;
  EXPECT_NE(error_of(bytes + "x"), "");
  EXPECT_EQ(error_of(bytes), "");
}

TEST(BasisDamageTest, EveryFlippedBitIsRefused) {
  const std::string bytes = serialise_basis(sample_basis()).value();
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string bent = bytes;
    bent[i] = char(bent[i] ^ (1 << (i % 8)));
    ASSERT_NE(error_of(bent), "") << "byte " << i;
  }
}

TEST(BasisDamageTest, SaysWhatDoesNotFitEvenIfTheHashDoes) {
  const std::string bytes = serialise_basis(sample_basis()).value();
  const auto message = [&](const char* from, const char* to) {
    return error_of(edited(bytes, from, to));
  };
  EXPECT_NE(message("\\\"version\\\":1", "\\\"version\\\":2").find("found 2"), std::string::npos);
  EXPECT_NE(message("post-rope", "past-rope").find("past-rope"), std::string::npos);
  EXPECT_NE(message("\\\"n_kv_heads\\\":2", "\\\"n_kv_heads\\\":3").find("[3 x 4 x 4]"),
            std::string::npos);
  EXPECT_NE(message("\\\"n_layers\\\":2", "\\\"n_layers\\\":9").find("sensitivities"),
            std::string::npos);
  EXPECT_NE(message("layers.0.k.steps", "layers.0.k.stepX").find("layers.0.k.steps"),
            std::string::npos);
  EXPECT_NE(message("\\\"seed\\\":7", "\\\"s33d\\\":7").find("'seed'"), std::string::npos);
  EXPECT_NE(message("\\\"joint\\\":false", "\\\"joint\\\":12345").find("'joint'"),
            std::string::npos);
  EXPECT_NE(message("lowkey.basis", "hikeys.basis").find("lowkey.basis"), std::string::npos);
  EXPECT_NE(error_of("").find("x.lkb"), std::string::npos);
}

/// What check_basis says of a sample after `change`.
template <class Change>
std::string complaint(const Change& change) {
  BasisFile file = sample_basis();
  change(file);
  const Status status = check_basis(file, "x.lkb");
  EXPECT_FALSE(serialise_basis(file).ok());
  return status.ok() ? "" : status.error().message();
}

TEST(BasisCheckTest, NamesLayerSideHeadAndValue) {
  using File = BasisFile;
  EXPECT_NE(complaint([](File& f) {
              f.layers[1].v.heads[0].encoder[3] = NAN;
            }).find("layer 1 V head 0: expected finite numbers of the encoder, found another at 3"),
            std::string::npos);
  EXPECT_NE(complaint([](File& f) {
              f.layers[0].k.heads[1].widths[0] = 9;
            }).find("found 9 at coordinate 0"),
            std::string::npos);
  EXPECT_NE(complaint([](File& f) {
              f.layers[0].k.heads[1].widths = {4, 0, 4, 0};
            }).find("gap"),
            std::string::npos);
  EXPECT_NE(complaint([](File& f) { f.layers[0].k.heads[0].steps[1] = 0; }).find("positive step"),
            std::string::npos);
  EXPECT_NE(complaint([](File& f) { f.layers[0].k.heads[0].costs[1] = -1; }).find("costs"),
            std::string::npos);
  EXPECT_NE(complaint([](File& f) { f.layers[0].k.heads.pop_back(); }).find("found 1"),
            std::string::npos);
  EXPECT_NE(complaint([](File& f) { f.layers[0].k.heads[0].mean.push_back(1); }).find("found 5"),
            std::string::npos);
  EXPECT_NE(complaint([](File& f) { f.layers[0].v.sensitivity = INFINITY; }).find("sensitivity"),
            std::string::npos);
  EXPECT_NE(complaint([](File& f) { f.model_hash = "short"; }).find("SHA-256"), std::string::npos);
  EXPECT_NE(complaint([](File& f) { f.layers.clear(); }).find("at least one layer"),
            std::string::npos);
  EXPECT_NE(complaint([](File& f) { f.head_dim = 1 << 20; }).find("4096"), std::string::npos);
}

TEST(BasisModelTest, AnotherModelIsRefusedWithBothHashes) {
  const BasisFile file = sample_basis();
  EXPECT_TRUE(match_model(file, std::string(64, '1'), "x.lkb").ok());
  const Status other = match_model(file, std::string(64, '3'), "x.lkb");
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().what.find("333333333333"), std::string::npos);
  EXPECT_NE(other.error().what.find("111111111111"), std::string::npos);
}

}  // namespace
}  // namespace lowkey::models
