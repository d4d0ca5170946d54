// Finds the functions of a C++ file by matching braces: enough for our own style, no parser.
#pragma once

#include <string>
#include <vector>

#include "tests/house/source_file.h"

namespace lowkey::house {

struct FunctionShape {
  std::string head;  // what stands before the body, blanks squeezed
  int first_line = 0;
  int n_lines = 0;  // from the head's first line to the closing brace
  int n_parameters = 0;
  int nesting = 0;  // deepest if / for / while / switch / do inside one another
};

std::vector<FunctionShape> find_functions(const SourceFile& file);

}  // namespace lowkey::house
