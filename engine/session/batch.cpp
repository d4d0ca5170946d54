#include "engine/session/batch.h"

#include <string>

namespace lowkey::engine {

namespace {

Error refuse(size_t entry, const std::string& what) {
  return make_error(ErrorCode::kInvalidArgument, "batch entry " + std::to_string(entry), what);
}

}  // namespace

Result<Batch> Batch::open(const Engine& engine, int n_rows) {
  if (n_rows < 1) {
    return make_error(ErrorCode::kInvalidArgument, "batch",
                      "expected room for at least 1 token, found " + std::to_string(n_rows));
  }
  Batch batch(engine);
  LK_ASSIGN(batch.scratch_, BlockScratch::allocate(engine.config(), n_rows));
  return batch;
}

Status Batch::check(std::span<const Entry> entries) const {
  if (entries.empty()) return refuse(0, "expected at least one session, found none");
  for (size_t i = 0; i < entries.size(); ++i) {
    const Session& session = *entries[i].session;
    if (session.engine_ != engine_) return refuse(i, "expected a session of the batch's engine");
    if (entries[i].tokens.empty()) return refuse(i, "expected at least one token, found none");
    LK_RETURN_IF_ERROR(engine_->decoder().check_tokens(entries[i].tokens));
    for (size_t j = 0; j < i; ++j) {
      if (entries[j].session != &session) continue;
      return refuse(i, "expected another session than that of entry " + std::to_string(j));
    }
  }
  return {};
}

Status Batch::feed(std::span<const Entry> entries) {
  LK_RETURN_IF_ERROR(check(entries));
  entries_.clear();
  for (const Entry& entry : entries) {
    entries_.push_back({&entry.session->cache_, entry.tokens, true});
  }
  LK_ASSIGN(const MatrixView<const float> hidden,
            engine_->decoder().forward(engine_->context(), entries_, rope_, scratch_));
  last_hidden_.clear();
  for (size_t i = 0; i < entries.size(); ++i) {
    const float* last = hidden.row(int64_t(i));
    last_hidden_.insert(last_hidden_.end(), last, last + hidden.cols);
    entries[i].session->last_hidden_.assign(last, last + hidden.cols);
  }
  return {};
}

MatrixView<const float> Batch::last_hidden() const {
  const int64_t n_embd = engine_->config().n_embd;
  return matrix(last_hidden_.data(), int64_t(last_hidden_.size()) / n_embd, n_embd);
}

MatrixView<const float> Batch::logits() {
  const MatrixView<const float> hidden = last_hidden();
  const int64_t n_vocab = engine_->config().n_vocab;
  logits_.resize(size_t(hidden.rows * n_vocab));
  engine_->decoder().logits(engine_->context(), hidden, scratch_, logits_.data());
  return matrix<const float>(logits_.data(), hidden.rows, n_vocab);
}

std::span<const std::vector<Candidate>> Batch::best_logits(int64_t k) {
  const MatrixView<const float> hidden = last_hidden();
  best_.resize(size_t(hidden.rows));
  engine_->decoder().best_logits(engine_->context(), hidden, k, scratch_, best_);
  return best_;
}

}  // namespace lowkey::engine
