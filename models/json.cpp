#include "models/json.h"

#include <nlohmann/json.hpp>
#include <unordered_set>
#include <vector>

#include "base/file_map.h"

namespace lowkey::models {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;

/// Watches the parser: remembers the keys of the objects that are open.
class Watch {
 public:
  bool operator()(int depth, json::parse_event_t event, const json& value) {
    if (!complaint_.empty()) return false;
    if (depth > kMaxDepth) complaint_ = "expected nesting of at most 64, found deeper";
    if (event == json::parse_event_t::object_start) keys_.emplace_back();
    if (event == json::parse_event_t::object_end) keys_.pop_back();
    if (event == json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second) {
        complaint_ = "expected every key once, found '" + key + "' twice";
      }
    }
    return complaint_.empty();
  }
  const std::string& complaint() const { return complaint_; }

 private:
  std::vector<std::unordered_set<std::string>> keys_;
  std::string complaint_;
};

}  // namespace

Result<json> parse_json_object(std::string_view text, const std::string& where) {
  Watch watch;
  const auto callback = [&watch](int depth, json::parse_event_t event, json& value) {
    return watch(depth, event, value);
  };
  json out = json::parse(text.begin(), text.end(), callback, /*allow_exceptions=*/false);
  if (!watch.complaint().empty()) {
    return make_error(ErrorCode::kInvalidData, where, watch.complaint());
  }
  if (out.is_discarded()) {
    return make_error(ErrorCode::kInvalidData, where, "expected JSON, found something else");
  }
  if (!out.is_object()) {
    return make_error(ErrorCode::kInvalidData, where,
                      std::string("expected a JSON object, found a JSON ") + out.type_name());
  }
  return out;
}

Result<json> read_json_object(const std::string& path, size_t limit) {
  LK_ASSIGN(const std::string text, read_text_file(path, limit));
  return parse_json_object(text, path);
}

}  // namespace lowkey::models
