// The unigram model of SentencePiece: the segmentation with the greatest sum of scores.
#include <algorithm>
#include <limits>

#include "models/tokenizer/sentencepiece.h"
#include "models/tokenizer/utf8.h"

namespace lowkey::models {
namespace {

constexpr float kUnknownPenalty = 10.0f;  // below the worst piece, as in SentencePiece

/// Prefix tree over the pieces' bytes.
class Trie {
 public:
  void add(std::string_view key, int32_t id) {
    uint32_t node = 0;
    for (char c : key) {
      const auto [it, is_new] = edges_.try_emplace(edge(node, c), uint32_t(ids_.size()));
      if (is_new) ids_.push_back(-1);
      node = it->second;
    }
    if (ids_[node] < 0) ids_[node] = id;
  }

  /// One step down; false if no piece goes on with `c`.
  bool descend(uint32_t& node, char c) const {
    const auto it = edges_.find(edge(node, c));
    if (it == edges_.end()) return false;
    node = it->second;
    return true;
  }
  int32_t id(uint32_t node) const { return ids_[node]; }  // -1: only a prefix

 private:
  static uint64_t edge(uint32_t node, char c) { return uint64_t{node} << 8 | uint8_t(c); }
  std::unordered_map<uint64_t, uint32_t> edges_;
  std::vector<int32_t> ids_ = {-1};
};

/// Best way to reach a byte position.
struct Step {
  float score = -std::numeric_limits<float>::infinity();
  size_t begin = 0;
  int32_t id = -1;  // -1: the character is unknown
};

class Unigram : public SentencePiece {
 public:
  Unigram(const std::vector<std::string>& pieces, const std::vector<Token>& tokens,
          SentencePieceOptions options)
      : SentencePiece(pieces, tokens, options), scores_(tokens.size()) {
    float worst = 0;
    for (const auto& [piece, id] : pieces_) {
      trie_.add(piece, id);
      scores_[size_t(id)] = tokens[size_t(id)].score;
      worst = std::min(worst, tokens[size_t(id)].score);
    }
    unknown_score_ = worst - kUnknownPenalty;
  }

 protected:
  void encode(std::string_view text, std::vector<int32_t>& ids) const override {
    std::vector<Step> best(text.size() + 1);
    best[0].score = 0;
    for (size_t at = 0; at < text.size();) {
      const auto n = size_t(next_utf8(text.substr(at)).n_bytes);
      extend(text, at, n, best);
      at += n;
    }
    std::vector<size_t> ends;
    for (size_t end = text.size(); end > 0; end = best[end].begin) ends.push_back(end);
    for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
      const Step& step = best[*end];
      if (step.id >= 0) {
        ids.push_back(step.id);
      } else {
        append_unknown(text.substr(step.begin, *end - step.begin), ids);
      }
    }
  }

 private:
  /// Offers every piece that starts at `at`, where a character of `n_bytes` begins.
  void extend(std::string_view text, size_t at, size_t n_bytes, std::vector<Step>& best) const {
    auto offer = [&](size_t end, float score, int32_t id) {
      if (score > best[end].score) best[end] = {score, at, id};
    };
    bool has_single = false;
    uint32_t node = 0;
    for (size_t end = at; end < text.size() && trie_.descend(node, text[end]);) {
      ++end;
      const int32_t id = trie_.id(node);
      if (id < 0) continue;
      offer(end, best[at].score + scores_[size_t(id)], id);
      has_single |= end == at + n_bytes;
    }
    if (!has_single) offer(at + n_bytes, best[at].score + unknown_score_, -1);
  }

  Trie trie_;
  std::vector<float> scores_;
  float unknown_score_ = 0;
};

}  // namespace

Result<std::shared_ptr<const SubwordModel>> make_sentencepiece_unigram(
    const std::vector<std::string>& pieces, const std::vector<Token>& tokens,
    SentencePieceOptions options) {
  auto model = std::make_shared<Unigram>(pieces, tokens, options);
  LK_RETURN_IF_ERROR(model->check());
  return std::shared_ptr<const SubwordModel>(std::move(model));
}

}  // namespace lowkey::models
