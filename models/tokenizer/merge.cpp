#include "models/tokenizer/merge.h"

#include <queue>

namespace lowkey::models {
namespace {

struct Candidate {
  double priority;
  int32_t left, right;  // indices of symbols
  size_t n_bytes;       // of the joined text when proposed: tells outdated candidates
  int32_t id;

  bool operator<(const Candidate& o) const {  // std::priority_queue takes the greatest
    return priority != o.priority ? priority > o.priority : left > o.left;
  }
};

struct Links {
  int32_t previous, next;
};

}  // namespace

void merge_symbols(std::vector<Symbol>& symbols,
                   FunctionRef<std::optional<Merge>(const Symbol&, const Symbol&)> merge_of) {
  const auto n = int32_t(symbols.size());
  std::vector<Links> links(symbols.size());
  for (int32_t i = 0; i < n; ++i) links[size_t(i)] = {i - 1, i + 1 < n ? i + 1 : -1};

  std::priority_queue<Candidate> heap;
  auto propose = [&](int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    const Symbol &a = symbols[size_t(left)], &b = symbols[size_t(right)];
    if (const auto merge = merge_of(a, b)) {
      heap.push({merge->priority, left, right, a.text.size() + b.text.size(), merge->id});
    }
  };
  for (int32_t i = 0; i + 1 < n; ++i) propose(i, i + 1);

  while (!heap.empty()) {
    const Candidate best = heap.top();
    heap.pop();
    Symbol &a = symbols[size_t(best.left)], &b = symbols[size_t(best.right)];
    if (a.text.empty() || b.text.empty()) continue;  // swallowed since
    if (a.text.size() + b.text.size() != best.n_bytes) continue;
    a = {std::string_view(a.text.data(), best.n_bytes), best.id};
    b.text = {};
    const int32_t next = links[size_t(best.right)].next;
    links[size_t(best.left)].next = next;
    if (next >= 0) links[size_t(next)].previous = best.left;
    propose(links[size_t(best.left)].previous, best.left);
    propose(best.left, next);
  }
  std::erase_if(symbols, [](const Symbol& symbol) { return symbol.text.empty(); });
}

}  // namespace lowkey::models
