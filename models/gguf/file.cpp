#include "models/gguf/file.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>

#include "models/gguf/types.h"

namespace lowkey::models::gguf {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF", read as little-endian
constexpr uint64_t kMinTensorBytes =
    8 + 4 + 8 + 4 + 8;  // name length, n_dims, one dim, type, offset
constexpr uint64_t kMaxAlignment = 1 << 16;
constexpr uint32_t kMaxDims = 4;
constexpr uint64_t kMaxNameBytes = 255;
// Bounds every product of sizes far below int64, so that later arithmetic cannot overflow.
constexpr uint64_t kMaxElements = uint64_t{1} << 48;

struct Entry {
  TensorInfo info;
  uint64_t offset = 0;  // from the start of the data
  uint64_t n_bytes = 0;
};

Result<uint32_t> read_version(Cursor& in) {
  LK_ASSIGN(const auto magic, in.read<uint32_t>("the magic number"));
  if (magic != kMagic) return in.error("expected the magic 'GGUF', found other bytes");
  LK_ASSIGN(const auto version, in.read<uint32_t>("the version"));
  if (version == 2 || version == 3) return version;
  Error error = in.error("expected GGUF version 2 or 3, found " + std::to_string(version));
  if (version != 0 && (version & 0xffff) == 0) error.what += " (a big-endian file?)";
  error.code = ErrorCode::kUnsupported;
  return error;
}

Result<uint64_t> read_alignment(const Metadata& metadata) {
  if (!metadata.find("general.alignment")) return uint64_t{32};
  LK_ASSIGN(const uint64_t alignment, metadata.get_u64("general.alignment"));
  if (alignment >= 8 && alignment <= kMaxAlignment && std::has_single_bit(alignment)) {
    return alignment;
  }
  return make_error(ErrorCode::kInvalidData, metadata.where(),
                    "general.alignment: expected a power of two from 8 to 65536, found " +
                        std::to_string(alignment));
}

/// Fills shape (outermost first); every dimension positive and the product bounded.
Result<uint64_t> read_shape(Cursor& in, TensorInfo& info) {
  LK_ASSIGN(const auto n_dims, in.read<uint32_t>("a tensor's dimension count"));
  if (n_dims == 0 || n_dims > kMaxDims) {
    return in.error("tensor '" + info.name + "': expected 1 to 4 dimensions, found " +
                    std::to_string(n_dims));
  }
  uint64_t product = 1;
  for (uint32_t i = 0; i < n_dims; ++i) {
    LK_ASSIGN(const auto dim, in.read<uint64_t>("a tensor's dimension"));
    if (dim == 0 || dim > kMaxElements / product) {
      return in.error("tensor '" + info.name + "': expected positive dimensions of at most 2^48 " +
                      "elements in all, found dimension " + std::to_string(dim));
    }
    product *= dim;
    info.shape.insert(info.shape.begin(), int64_t(dim));
  }
  return product;
}

Result<Entry> read_entry(Cursor& in) {
  Entry entry;
  LK_ASSIGN(const auto n_name, in.read<uint64_t>("a tensor's name"));
  LK_ASSIGN(const auto name, in.take(n_name, "a tensor's name"));
  if (n_name == 0 || n_name > kMaxNameBytes) {
    return in.error("expected a tensor name of 1 to 255 bytes, found " + std::to_string(n_name));
  }
  entry.info.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  LK_ASSIGN(const uint64_t n_elements, read_shape(in, entry.info));
  LK_ASSIGN(const auto type, in.read<uint32_t>("a tensor's type"));
  const auto dtype = dtype_of(type);
  if (!dtype) {
    Error error = in.error("tensor '" + entry.info.name + "': expected one of " +
                           supported_types() + ", found " + type_name(type));
    error.code = ErrorCode::kUnsupported;
    return error;
  }
  entry.info.dtype = *dtype;
  const int block = dtype_info(*dtype).block_elements;
  if (entry.info.shape.back() % block != 0) {
    return in.error("tensor '" + entry.info.name + "': expected rows that are a multiple of " +
                    std::to_string(block) + " elements, found " +
                    std::to_string(entry.info.shape.back()));
  }
  entry.n_bytes = uint64_t(dtype_bytes(*dtype, int64_t(n_elements)));
  LK_ASSIGN(entry.offset, in.read<uint64_t>("a tensor's offset"));
  return entry;
}

Result<std::vector<Entry>> read_entries(Cursor& in, uint64_t n) {
  if (n > in.remaining() / kMinTensorBytes) {
    return in.error("expected at most " + std::to_string(in.remaining() / kMinTensorBytes) +
                    " tensors (what is left of the file), found " + std::to_string(n));
  }
  std::vector<Entry> entries;
  std::unordered_set<std::string> names;
  for (uint64_t i = 0; i < n; ++i) {
    LK_ASSIGN(Entry entry, read_entry(in));
    if (!names.insert(entry.info.name).second) {
      return in.error("tensor '" + entry.info.name + "' appears twice");
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

/// Points every tensor at its bytes of `data`.
Status place(std::vector<Entry>& entries, std::span<const std::byte> data, uint64_t alignment,
             const std::string& path) {
  for (Entry& entry : entries) {
    const std::string where = path + ": tensor '" + entry.info.name + "'";
    if (entry.offset % alignment != 0) {
      return make_error(ErrorCode::kInvalidData, where,
                        "expected an offset that is a multiple of " + std::to_string(alignment) +
                            ", found " + std::to_string(entry.offset));
    }
    if (entry.offset > data.size() || entry.n_bytes > data.size() - entry.offset) {
      return make_error(ErrorCode::kInvalidData, where,
                        "expected " + std::to_string(entry.n_bytes) + " bytes from offset " +
                            std::to_string(entry.offset) + ", found only " +
                            std::to_string(data.size()) + " bytes of tensor data in the file");
    }
    entry.info.bytes = data.subspan(entry.offset, entry.n_bytes);
  }
  return {};
}

Status check_overlap(const std::vector<Entry>& entries, const std::string& path) {
  std::vector<const Entry*> order;
  for (const Entry& entry : entries) order.push_back(&entry);
  std::ranges::sort(order, {}, &Entry::offset);
  for (size_t i = 1; i < order.size(); ++i) {
    const Entry &before = *order[i - 1], &after = *order[i];
    if (before.offset + before.n_bytes <= after.offset) continue;
    return make_error(ErrorCode::kInvalidData, path,
                      "tensors '" + before.info.name + "' and '" + after.info.name +
                          "' overlap at offset " + std::to_string(after.offset));
  }
  return {};
}

}  // namespace

Result<Directory> parse(std::span<const std::byte> bytes, const std::string& name) {
  Cursor in(bytes, name);
  Directory directory;
  LK_ASSIGN(directory.version, read_version(in));
  LK_ASSIGN(const auto n_tensors, in.read<uint64_t>("the tensor count"));
  LK_ASSIGN(const auto n_pairs, in.read<uint64_t>("the metadata count"));
  directory.metadata = Metadata(name);
  LK_RETURN_IF_ERROR(directory.metadata.read(in, n_pairs));
  LK_ASSIGN(directory.alignment, read_alignment(directory.metadata));
  LK_ASSIGN(auto entries, read_entries(in, n_tensors));

  const uint64_t past = in.position() % directory.alignment;
  const uint64_t padding = past == 0 ? 0 : directory.alignment - past;
  if (!entries.empty()) {
    LK_RETURN_IF_ERROR(in.take(padding, "the padding before the tensor data"));
    const auto data = bytes.subspan(in.position());
    LK_RETURN_IF_ERROR(place(entries, data, directory.alignment, name));
    LK_RETURN_IF_ERROR(check_overlap(entries, name));
  }
  for (Entry& entry : entries) directory.tensors.push_back(std::move(entry.info));
  return directory;
}

Result<File> open(const std::string& path) {
  File file;
  LK_ASSIGN(file.map, FileMap::open(path));
  LK_ASSIGN(file.directory, parse(file.map.bytes(), path));
  return file;
}

}  // namespace lowkey::models::gguf
