#include "calib/checkpoint.h"

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file_map.h"
#include "base/sha256.h"
#include "models/json.h"
#include "models/safetensors/file.h"

namespace lowkey::calib {

namespace {

using nlohmann::json;
namespace fs = std::filesystem;
namespace st = models::safetensors;

/// To be raised whenever the same pieces would lead to another result.
constexpr int kVersion = 1;
constexpr char kRunFile[] = "run.json";
constexpr char kTensor[] = "numbers";
constexpr char kSuffix[] = ".safetensors";
constexpr size_t kMaxRunBytes = 1 << 20;

std::string run_path(const std::string& folder) { return (fs::path(folder) / kRunFile).string(); }

Error damaged(const std::string& path, const std::string& what) {
  return make_error(ErrorCode::kInvalidData, path,
                    what + ": the checkpoint is damaged; without --resume it is made anew");
}

/// Fields in which two runs differ, as "bits: 2.5 instead of 3.0".
std::string differences(const json& kept, const json& asked) {
  std::string out;
  const auto add = [&](const std::string& key, const std::string& a, const std::string& b) {
    out += (out.empty() ? "" : ", ") + key + ": " + a + " instead of " + b;
  };
  for (const auto& [key, value] : asked.items()) {
    const auto it = kept.find(key);
    if (it == kept.end() || *it != value) {
      add(key, it == kept.end() ? "nothing" : it->dump(), value.dump());
    }
  }
  for (const auto& [key, value] : kept.items()) {
    if (!asked.contains(key)) add(key, value.dump(), "nothing");
  }
  return out;
}

Status check_run(const std::string& folder, const json& run) {
  const std::string path = run_path(folder);
  auto kept = models::read_json_object(path, kMaxRunBytes);
  if (!kept.ok()) return damaged(path, kept.error().what);
  const std::string found = differences(*kept, run);
  if (found.empty()) return {};
  return make_error(ErrorCode::kInvalidArgument, "--resume",
                    "expected " + folder + " to be of the same run, found " + found +
                        "; without --resume it is made anew");
}

/// Our own files and no others: somebody may keep his where we are told to write.
void remove_pieces(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> ours;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with(kRunFile) || name.find(kSuffix) != std::string::npos) {
      ours.push_back(it->path());
    }
  }
  for (const fs::path& path : ours) fs::remove(path, error);
}

std::string hash_of(std::span<const double> numbers) { return sha256_hex(std::as_bytes(numbers)); }

}  // namespace

Result<Checkpoint> Checkpoint::open(const std::string& folder, const json& run, bool resume) {
  json own = run;
  own["checkpoint version"] = kVersion;
  const std::string text = own.dump(1);
  std::error_code error;
  if (resume && exists(folder)) {
    LK_RETURN_IF_ERROR(check_run(folder, own));
  } else {
    remove_pieces(folder);
    fs::create_directories(folder, error);
    if (error) {
      return make_error(ErrorCode::kIo, folder, "cannot be made a folder: " + error.message());
    }
    LK_RETURN_IF_ERROR(write_file_atomically(run_path(folder), text));
  }
  Checkpoint out;
  out.folder_ = folder;
  out.run_hash_ = sha256_hex(std::as_bytes(std::span(text.data(), text.size())));
  return out;
}

bool Checkpoint::exists(const std::string& folder) {
  std::error_code ignored;
  return fs::exists(run_path(folder), ignored);
}

std::string Checkpoint::path_of(const std::string& name) const {
  return (fs::path(folder_) / (name + kSuffix)).string();
}

Result<std::vector<double>> Checkpoint::read(const std::string& name) const {
  std::error_code ignored;
  if (folder_.empty() || !fs::exists(path_of(name), ignored)) return std::vector<double>();
  const std::string path = path_of(name);
  const auto file = st::open(path);
  if (!file.ok()) return damaged(path, file.error().what);
  const auto& metadata = file->directory.metadata;
  const st::Tensor* tensor = file->directory.find(kTensor);
  if (!tensor || tensor->type != st::ElementType::kF64) {
    return damaged(path, "expected a tensor of doubles, found none");
  }
  std::vector<double> numbers(size_t(tensor->n_elements()));
  std::memcpy(numbers.data(), tensor->bytes.data(), tensor->bytes.size());
  const auto has = [&](const char* key, const std::string& value) {
    const auto it = metadata.find(key);
    return it != metadata.end() && it->second == value;
  };
  if (!has("sha256", hash_of(numbers)) || !has("run", run_hash_)) {
    return damaged(path, "expected the hash of its numbers and of its run, found another");
  }
  return numbers;
}

Status Checkpoint::write(const std::string& name, std::span<const double> numbers) const {
  if (folder_.empty()) return {};
  return st::write_safetensors(
      path_of(name), {{"sha256", hash_of(numbers)}, {"run", run_hash_}},
      {{kTensor, st::ElementType::kF64, {int64_t(numbers.size())}, std::as_bytes(numbers)}});
}

void Checkpoint::remove() const {
  if (folder_.empty()) return;
  std::error_code ignored;
  remove_pieces(folder_);
  fs::remove(folder_, ignored);
}

Result<WorkLog> WorkLog::open(const Checkpoint& checkpoint, const std::string& name, size_t width) {
  WorkLog out(width);
  out.checkpoint_ = checkpoint;
  out.name_ = name;
  LK_ASSIGN(out.numbers_, checkpoint.read(name));
  if (out.numbers_.size() % width == 0) return out;
  return damaged(name, "expected " + std::to_string(width) + " numbers a unit, found " +
                           std::to_string(out.numbers_.size()) + " in all");
}

Status WorkLog::add(std::span<const double> unit) {
  numbers_.insert(numbers_.end(), unit.begin(), unit.end());
  return checkpoint_.write(name_, numbers_);
}

}  // namespace lowkey::calib
