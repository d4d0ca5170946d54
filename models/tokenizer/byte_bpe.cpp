#include "models/tokenizer/byte_bpe.h"

#include "models/tokenizer/byte_map.h"

namespace lowkey::models {
namespace {

constexpr size_t kMaxCachedWord = 256;       // bytes
constexpr size_t kMaxCachedWords = 1 << 18;  // bounds the cache's memory

uint64_t pair_key(int32_t left, int32_t right) {
  return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
}

}  // namespace

Result<std::shared_ptr<const ByteBpe>> ByteBpe::create(
    const std::vector<std::string>& texts,
    const std::vector<std::pair<std::string, std::string>>& merges, PreTokenizer words,
    ByteBpeOptions options) {
  auto bpe = std::shared_ptr<ByteBpe>(new ByteBpe());
  bpe->words_ = std::move(words);
  bpe->options_ = options;
  TokenIndex by_text;
  by_text.reserve(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].empty()) continue;
    by_text.emplace(texts[i], int32_t(i));
    if (!options.whole_words_first) continue;
    if (auto bytes = bytes_of_byte_level(texts[i])) bpe->by_bytes_.emplace(*bytes, int32_t(i));
  }
  for (int byte = 0; byte < 256; ++byte) {
    bpe->byte_ids_[size_t(byte)] = find_token(by_text, byte_level_of(uint8_t(byte))).value_or(-1);
  }
  LK_RETURN_IF_ERROR(bpe->add_merges(by_text, merges));
  return std::shared_ptr<const ByteBpe>(std::move(bpe));
}

Status ByteBpe::add_merges(const TokenIndex& by_text,
                           const std::vector<std::pair<std::string, std::string>>& merges) {
  merges_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const auto a = find_token(by_text, left), b = find_token(by_text, right);
    const auto joined = find_token(by_text, left + right);
    if (!a || !b || !joined) {
      const std::string& missing = !a ? left : !b ? right : left + right;
      return make_error(ErrorCode::kInvalidData, "merge " + std::to_string(rank),
                        "expected tokens of the vocabulary, found '" + missing + "'");
    }
    merges_.emplace(pair_key(*a, *b), Merge{double(rank), *joined});
  }
  return {};
}

void ByteBpe::encode_word(std::string_view word, std::vector<Symbol>& symbols) const {
  symbols.clear();
  if (options_.whole_words_first) {
    if (const auto id = find_token(by_bytes_, word)) return symbols.push_back({word, *id});
  }
  for (size_t i = 0; i < word.size(); ++i) {
    const int32_t id = byte_ids_[uint8_t(word[i])];
    if (id >= 0) symbols.push_back({word.substr(i, 1), id});
  }
  merge_symbols(symbols, [this](const Symbol& a, const Symbol& b) -> std::optional<Merge> {
    const auto it = merges_.find(pair_key(a.id, b.id));
    if (it == merges_.end()) return std::nullopt;
    return it->second;
  });
}

Status ByteBpe::append(std::string_view text, bool at_start, std::vector<int32_t>& ids) const {
  if (text.empty()) return {};
  std::string prefixed;
  if (options_.prefix_space && at_start && text[0] != ' ') {
    prefixed = " " + std::string(text);
    text = prefixed;
  }
  RegexScratch scratch;
  std::vector<Symbol> symbols;
  std::unordered_map<std::string_view, std::vector<int32_t>> cache;  // keys point into the text
  return words_.split(text, scratch, [&](std::string_view word) {
    if (const auto it = cache.find(word); it != cache.end()) {
      ids.insert(ids.end(), it->second.begin(), it->second.end());
      return;
    }
    const size_t n_before = ids.size();
    encode_word(word, symbols);
    for (const Symbol& symbol : symbols) ids.push_back(symbol.id);
    if (word.size() > kMaxCachedWord || cache.size() >= kMaxCachedWords) return;
    cache.emplace(word, std::vector<int32_t>(ids.begin() + ptrdiff_t(n_before), ids.end()));
  });
}

}  // namespace lowkey::models
