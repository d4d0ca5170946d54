#include "models/tokenizer/from_json.h"
#include "models/tokenizer/json_fields.h"

namespace lowkey::models {
namespace {

constexpr size_t kMaxStages = 16;

struct Builder {
  std::string where;
  std::vector<PreTokenizer::Stage> stages;
  bool is_byte_level = false;
  bool prefix_space = false;

  Error unsupported(const std::string& what) const {
    return make_error(ErrorCode::kUnsupported, where + ": pre_tokenizer", what);
  }
};

std::string escape_literal(std::string_view literal) {
  std::string out;
  for (char c : literal) {
    const bool is_plain = (c & 0x80) != 0 || std::isalnum(static_cast<unsigned char>(c)) != 0;
    out += is_plain ? std::string(1, c) : std::string{'\\', c};
  }
  return out;
}

Status add_stage(Builder& builder, std::string_view pattern,
                 SplitBehavior behavior = SplitBehavior::kIsolated, bool invert = false) {
  if (builder.stages.size() == kMaxStages) {
    return builder.unsupported("expected at most " + std::to_string(kMaxStages) + " splits");
  }
  LK_ASSIGN(auto compiled, Regex::compile(pattern));
  builder.stages.push_back({std::move(compiled), behavior, invert});
  return {};
}

Status add_split(Builder& builder, const Json& json) {
  const Json& pattern = field(json, "pattern");
  const std::string regex = string_field(pattern, "Regex");
  const std::string literal = string_field(pattern, "String");
  if (regex.empty() == literal.empty()) {
    return builder.unsupported("expected a Split with one pattern, Regex or String");
  }
  const std::string behavior = string_field(json, "behavior");
  if (behavior != "Isolated" && behavior != "Removed") {
    return builder.unsupported("expected behavior Isolated or Removed, found '" + behavior + "'");
  }
  return add_stage(builder, regex.empty() ? escape_literal(literal) : regex,
                   behavior == "Removed" ? SplitBehavior::kRemoved : SplitBehavior::kIsolated,
                   bool_field(json, "invert", false));
}

Status add_one(Builder& builder, const Json& json) {
  const std::string type = string_field(json, "type");
  if (type == "Split") return add_split(builder, json);
  if (type == "Digits") {
    const bool single = bool_field(json, "individual_digits", false);
    return add_stage(builder, single ? R"(\p{N})" : R"(\p{N}+)");
  }
  if (type == "ByteLevel") {
    builder.is_byte_level = true;
    builder.prefix_space |= bool_field(json, "add_prefix_space", true);
    if (!bool_field(json, "use_regex", true)) return {};
    return add_stage(builder, kGpt2Pattern);
  }
  return builder.unsupported("expected Sequence, Split, Digits or ByteLevel, found '" + type + "'");
}

}  // namespace

Result<JsonPreTokenizer> pre_tokenizer_from_json(std::string_view json_text,
                                                 const std::string& where) {
  LK_ASSIGN(const Json json, parse_json(std::string(json_text), where));
  Builder builder{where, {}, false, false};
  const Json& parts = field(json, "pretokenizers");
  if (string_field(json, "type") == "Sequence" && parts.is_array()) {
    for (const Json& part : parts) LK_RETURN_IF_ERROR(add_one(builder, part));
  } else {
    LK_RETURN_IF_ERROR(add_one(builder, json));
  }
  JsonPreTokenizer out;
  out.words = PreTokenizer(std::move(builder.stages));
  out.is_byte_level = builder.is_byte_level;
  out.prefix_space = builder.prefix_space;
  return out;
}

}  // namespace lowkey::models
