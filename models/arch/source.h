// One face for GGUF metadata and config.json, so that a configuration is read by one function.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "models/gguf/metadata.h"

namespace lowkey::models::arch {

/// Values by key; empty where the key is absent (or null), an error where the type is wrong.
class Source {
 public:
  virtual ~Source() = default;
  virtual Result<std::optional<int64_t>> integer(std::string_view key) const = 0;
  virtual Result<std::optional<double>> number(std::string_view key) const = 0;
  virtual Result<std::optional<bool>> flag(std::string_view key) const = 0;
  virtual Result<std::optional<std::string>> text(std::string_view key) const = 0;
  virtual std::string where() const = 0;

  /// The integer at `key`, or `fallback`; an error if it is not in [1, limit]. A fallback of 0
  /// means that the key must be there.
  Result<int> count(std::string_view key, int64_t limit, int64_t fallback = 0) const;
  /// The same for a finite positive number.
  Result<float> positive(std::string_view key, double fallback = 0) const;
};

/// Keys get "<prefix>." in front.
class GgufSource : public Source {
 public:
  GgufSource(const gguf::Metadata& metadata, std::string_view prefix)
      : metadata_(metadata), prefix_(std::string(prefix) + ".") {}
  Result<std::optional<int64_t>> integer(std::string_view key) const override;
  Result<std::optional<double>> number(std::string_view key) const override;
  Result<std::optional<bool>> flag(std::string_view key) const override;
  Result<std::optional<std::string>> text(std::string_view key) const override;
  std::string where() const override { return metadata_.where(); }

 private:
  const gguf::Metadata& metadata_;
  std::string prefix_;
};

/// The members of one JSON object.
class JsonSource : public Source {
 public:
  JsonSource(const nlohmann::json& object, std::string where)
      : object_(object), where_(std::move(where)) {}
  Result<std::optional<int64_t>> integer(std::string_view key) const override;
  Result<std::optional<double>> number(std::string_view key) const override;
  Result<std::optional<bool>> flag(std::string_view key) const override;
  Result<std::optional<std::string>> text(std::string_view key) const override;
  std::string where() const override { return where_; }

 private:
  const nlohmann::json* member(std::string_view key) const;  // nullptr if absent or null
  Error wrong_type(std::string_view key, const char* expected) const;

  const nlohmann::json& object_;
  std::string where_;
};

}  // namespace lowkey::models::arch
