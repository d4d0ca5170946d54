// Values as Python prints them, and as JSON.
#include <charconv>
#include <cmath>

#include "models/chat/value.h"

namespace lowkey::models::jinja {
namespace {

constexpr int kMaxDepth = 50;

std::string number_text(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d > 0 ? "inf" : "-inf";
  char buffer[400];
  const double size = std::fabs(d);
  const bool is_plain = size == 0 || (size >= 1e-4 && size < 1e16);  // Python's repr
  const auto format = is_plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), d, format).ptr;
  std::string text(buffer, end);
  if (is_plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

/// Python's repr of a string: single quotes unless only they occur in it.
std::string quoted_python(const std::string& s) {
  const bool use_double = s.find('\'') != std::string::npos && s.find('"') == std::string::npos;
  const char quote = use_double ? '"' : '\'';
  std::string out(1, quote);
  for (char c : s) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\\' || c == quote) {
      out += {'\\', c};
    } else {
      out += c;
    }
  }
  return out + quote;
}

std::string quoted_json(const std::string& s) {
  std::string out = "\"";
  for (char c : s) {
    const char* named = c == '"'    ? "\\\""
                        : c == '\\' ? "\\\\"
                        : c == '\n' ? "\\n"
                        : c == '\r' ? "\\r"
                        : c == '\t' ? "\\t"
                        : c == '\b' ? "\\b"
                        : c == '\f' ? "\\f"
                                    : nullptr;
    if (named) {
      out += named;
    } else if (uint8_t(c) < 0x20) {
      const char* hex = "0123456789abcdef";
      out += std::string("\\u00") + hex[c >> 4] + hex[c & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

class Writer {
 public:
  Writer(bool is_json, int64_t indent, size_t max_bytes)
      : is_json_(is_json), indent_(indent), max_bytes_(max_bytes) {}

  Status write(const Value& value, int depth) {
    if (depth > kMaxDepth || out_.size() > max_bytes_) {
      return make_error(ErrorCode::kInvalidData, "chat template",
                        "a value is nested too deep or too long to be printed");
    }
    if (value.list()) return write_list(*value.list(), depth);
    if (value.dict()) return write_dict(*value.dict(), depth);
    return write_scalar(value);
  }

  std::string take() { return std::move(out_); }

 private:
  Status write_scalar(const Value& value) {
    if (value.string()) {
      out_ += is_json_ ? quoted_json(*value.string()) : quoted_python(*value.string());
    } else if (value.is_none()) {
      out_ += is_json_ ? "null" : "None";
    } else if (const bool* b = value.as<bool>()) {
      out_ += is_json_ ? (*b ? "true" : "false") : (*b ? "True" : "False");
    } else if (const auto* i = value.as<int64_t>()) {
      out_ += std::to_string(*i);
    } else if (const auto* d = value.as<double>()) {
      out_ += number_text(*d);
    } else if (is_json_) {
      return make_error(ErrorCode::kInvalidData, "chat template",
                        std::string("expected a value for tojson, found ") + value.type_name());
    } else {
      out_ += value.is_undefined() ? "Undefined" : "<function>";
    }
    return {};
  }

  Status write_list(const List& list, int depth) {
    out_ += '[';
    for (size_t i = 0; i < list.size(); ++i) {
      separate(i, depth);
      LK_RETURN_IF_ERROR(write(list[i], depth + 1));
    }
    close(list.empty(), depth);
    out_ += ']';
    return {};
  }

  Status write_dict(const Dict& dict, int depth) {
    out_ += '{';
    for (size_t i = 0; i < dict.entries.size(); ++i) {
      separate(i, depth);
      const auto& [key, value] = dict.entries[i];
      out_ += (is_json_ ? quoted_json(key) : quoted_python(key)) + ": ";
      LK_RETURN_IF_ERROR(write(value, depth + 1));
    }
    close(dict.entries.empty(), depth);
    out_ += '}';
    return {};
  }

  void separate(size_t i, int depth) {
    if (i > 0) out_ += indent_ < 0 ? ", " : ",";
    if (indent_ >= 0) out_ += "\n" + std::string(size_t(indent_) * size_t(depth + 1), ' ');
  }

  void close(bool is_empty, int depth) {
    if (indent_ < 0 || is_empty) return;
    out_ += "\n" + std::string(size_t(indent_) * size_t(depth), ' ');
  }

  bool is_json_;
  int64_t indent_;
  size_t max_bytes_;
  std::string out_;
};

}  // namespace

Result<std::string> to_text(const Value& value, size_t max_bytes) {
  if (value.string()) return *value.string();
  if (value.is_undefined()) return std::string();
  Writer writer(false, -1, max_bytes);
  LK_RETURN_IF_ERROR(writer.write(value, 0));
  return writer.take();
}

Result<std::string> to_json(const Value& value, int64_t indent, size_t max_bytes) {
  Writer writer(true, std::min<int64_t>(indent, 16), max_bytes);
  LK_RETURN_IF_ERROR(writer.write(value, 0));
  return writer.take();
}

}  // namespace lowkey::models::jinja
