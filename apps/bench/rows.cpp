#include "apps/bench/rows.h"

namespace lowkey::apps {

namespace {

/// A field as text, quotes doubled, between two of them.
std::string quoted(const Row& value, char quote) {
  std::string out(1, quote);
  if (value.is_null()) return out + quote;
  for (const char c : value.is_string() ? value.get<std::string>() : value.dump()) {
    if (c == quote) out += quote;
    out += c;
  }
  return out + quote;
}

std::string sql_value(const Row& value) {
  if (value.is_null()) return "NULL";
  return value.is_number() ? value.dump() : quoted(value, '\'');
}

const char* sql_type(const Row& value) {
  if (value.is_number_integer()) return "INTEGER";
  return value.is_number() ? "REAL" : "TEXT";
}

/// f(name, value) of every field that is no list, joined by commas.
template <class F>
std::string join(const Row& row, const char* comma, F f) {
  std::string out;
  for (const auto& [name, value] : row.items()) {
    if (value.is_structured()) continue;
    if (!out.empty()) out += comma;
    out += f(name, value);
  }
  return out;
}

std::string name_of(const std::string& name, const Row&) { return name; }

}  // namespace

std::string RowWriter::begin(const Row& row) const {
  if (format_ == "json") return "[\n";
  if (format_ == "csv") return join(row, ",", name_of) + '\n';
  if (format_ == "sql") {
    return "CREATE TABLE IF NOT EXISTS " + table_ + " (\n  " +
           join(row, ",\n  ",
                [](const std::string& name, const Row& value) {
                  return name + ' ' + sql_type(value);
                }) +
           "\n);\n\n";
  }
  if (format_ != "md") return {};
  std::string titles = "|", rule = "|";
  for (const MarkdownColumn& column : columns_) {
    titles += ' ' + column.title + " |";
    rule += column.number ? " ---: |" : " --- |";
  }
  return titles + '\n' + rule + '\n';
}

std::string RowWriter::add(const Row& row) {
  std::string out = n_rows_++ == 0 ? begin(row) : format_ == "json" ? ",\n" : "";
  if (format_ == "json") return out + row.dump(2);
  if (format_ == "jsonl") return out + row.dump() + '\n';
  if (format_ == "csv") {
    return out + join(row, ",", [](const std::string&, const Row& v) { return quoted(v, '"'); }) +
           '\n';
  }
  if (format_ == "sql") {
    return out + "INSERT INTO " + table_ + " (" + join(row, ", ", name_of) + ") VALUES (" +
           join(row, ", ", [](const std::string&, const Row& v) { return sql_value(v); }) + ");\n";
  }
  out += '|';
  for (const MarkdownColumn& column : columns_) out += ' ' + column.text(row) + " |";
  return out + '\n';
}

std::string RowWriter::finish() const {
  if (format_ != "json") return {};
  return n_rows_ == 0 ? "[]\n" : "\n]\n";
}

}  // namespace lowkey::apps
