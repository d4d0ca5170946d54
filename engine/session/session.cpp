#include <algorithm>

#include "engine/engine.h"

namespace lowkey::engine {

Result<Session> Session::open(const Engine& engine, const SessionOptions& options) {
  Session session(engine);
  if (options.n_context < 1 || options.n_batch < 1) {
    return make_error(ErrorCode::kInvalidArgument, "-c", "expected at least 1 token of context");
  }
  session.n_batch_ = int(std::min<int64_t>(options.n_batch, options.n_context));
  LK_ASSIGN(session.cache_,
            KvCache::create(engine.config(), options.cache, options.n_context, session.n_batch_));
  if (options.neighbour && options.neighbour->scratch_->n_batch >= session.n_batch_) {
    session.scratch_ = options.neighbour->scratch_;
    return session;
  }
  LK_ASSIGN(BlockScratch scratch, BlockScratch::allocate(engine.config(), session.n_batch_));
  session.scratch_ = std::make_shared<BlockScratch>(std::move(scratch));
  return session;
}

Status Session::feed(std::span<const int32_t> tokens, const BlockSink& sink) {
  const int64_t needed = n_tokens() + int64_t(tokens.size());
  if (needed > cache_.n_context()) {
    return make_error(ErrorCode::kInvalidArgument, "context",
                      "expected at most " + std::to_string(cache_.n_context()) + " tokens, found " +
                          std::to_string(needed) + "; a larger -c makes room");
  }
  LK_RETURN_IF_ERROR(engine_->decoder().check_tokens(tokens));
  while (!tokens.empty()) {
    const size_t n = std::min(tokens.size(), size_t(n_batch_));
    const int64_t first = n_tokens();
    const Decoder::Entry entry{&cache_, tokens.first(n), !sink};
    LK_ASSIGN(const MatrixView<const float> hidden,
              engine_->decoder().forward(context_, {&entry, 1}, rope_, *scratch_,
                                         observer_ ? &observer_ : nullptr));
    const float* last = hidden.row(hidden.rows - 1);
    last_hidden_.assign(last, last + hidden.cols);
    if (sink) LK_RETURN_IF_ERROR(sink(first, hidden));
    tokens = tokens.subspan(n);
  }
  return {};
}

void Session::truncate(int64_t n) {
  if (n < n_tokens()) last_hidden_.clear();
  cache_.truncate(n);
}

Result<MatrixView<const float>> Session::resume(int first_layer, MatrixView<const float> x) {
  return engine_->decoder().resume(context_, first_layer, x, cache_, rope_, *scratch_);
}

std::span<const float> Session::logits() {
  if (last_hidden_.empty()) return {};
  logits_.resize(size_t(engine_->config().n_vocab));
  logits(matrix<const float>(last_hidden_.data(), 1, int64_t(last_hidden_.size())), logits_.data());
  return logits_;
}

std::span<const Candidate> Session::best_logits(int64_t k) {
  if (last_hidden_.empty()) return {};
  engine_->decoder().best_logits(
      context_, matrix<const float>(last_hidden_.data(), 1, int64_t(last_hidden_.size())), k,
      *scratch_, {&best_, 1});
  return best_;
}

void Session::logits(MatrixView<const float> hidden, float* out) {
  engine_->decoder().logits(context_, hidden, *scratch_, out);
}

}  // namespace lowkey::engine
