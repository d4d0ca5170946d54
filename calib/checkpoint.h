// What a stopped calibration has finished, on disk, so that another run of the same goes on there.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace lowkey::calib {

/// A folder of finished work, one file a piece, each of them appearing whole or not at all. Numbers
/// are kept as doubles: what is read back is what was written, bit for bit.
class Checkpoint {
 public:
  /// Keeps nothing.
  Checkpoint() = default;

  /// `run`: everything that decides the result, by names that users know. With `resume` the
  /// folder's pieces are used: kInvalidArgument, naming what differs, if they are of another run,
  /// kInvalidData if the folder is damaged, and in both cases it stays as it is. Without, or where
  /// there is no folder, an empty one is made in its place.
  static Result<Checkpoint> open(const std::string& folder, const nlohmann::json& run, bool resume);

  /// Whether `folder` is a checkpoint, sound or not.
  static bool exists(const std::string& folder);

  /// The numbers of a piece; none if it is not there. kInvalidData if it is damaged.
  Result<std::vector<double>> read(const std::string& name) const;
  /// May be called for different pieces at once.
  Status write(const std::string& name, std::span<const double> numbers) const;
  /// Takes the folder away: the work is done.
  void remove() const;

 private:
  std::string path_of(const std::string& name) const;

  std::string folder_;  // empty: keeps nothing
  std::string run_hash_;
};

/// The results of units of work in their order, each kept as soon as there is one.
class WorkLog {
 public:
  /// Keeps nothing on disk. A unit's result is `width` numbers.
  explicit WorkLog(size_t width = 1) : width_(width) {}
  /// Begins with what the checkpoint holds as `name`.
  static Result<WorkLog> open(const Checkpoint& checkpoint, const std::string& name,
                              size_t width = 1);

  size_t n_known() const { return numbers_.size() / width_; }
  std::span<const double> unit(size_t i) const {
    return std::span(numbers_).subspan(i * width_, width_);
  }
  Status add(std::span<const double> unit);

 private:
  Checkpoint checkpoint_;
  std::string name_;
  size_t width_ = 1;
  std::vector<double> numbers_;
};

}  // namespace lowkey::calib
