// Parts of rows in which heads lie side by side.
#pragma once

#include "base/view.h"

namespace lowkey::engine {

/// Some rows; nothing of nothing.
template <class T>
MatrixView<T> rows_of(const MatrixView<T>& m, Range rows) {
  return m.rows == 0 ? m : MatrixView<T>{m.row(rows.begin), rows.size(), m.cols, m.stride};
}

/// The d columns of one head.
template <class T>
MatrixView<T> of_head(const MatrixView<T>& m, int head, int d) {
  return {m.data + int64_t{head} * d, m.rows, d, m.stride};
}

}  // namespace lowkey::engine
