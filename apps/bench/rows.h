// Rows of fields as Markdown, CSV, JSON, JSON lines or SQL, as llama-bench writes them.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lowkey::apps {

using Row = nlohmann::ordered_json;

struct MarkdownColumn {
  std::string title;
  bool number = true;  // aligned to the right
  std::function<std::string(const Row&)> text;
};

class RowWriter {
 public:
  /// `format`: md, csv, json, jsonl or sql; `table` names the SQL table.
  RowWriter(std::string format, std::string table, std::vector<MarkdownColumn> columns)
      : format_(std::move(format)), table_(std::move(table)), columns_(std::move(columns)) {}

  /// What is to be printed for the next row; all rows have the same fields.
  std::string add(const Row& row);
  /// What is to be printed after the last row.
  std::string finish() const;

 private:
  std::string begin(const Row& row) const;

  std::string format_, table_;
  std::vector<MarkdownColumn> columns_;
  int64_t n_rows_ = 0;
};

}  // namespace lowkey::apps
