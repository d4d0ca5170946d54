// Several sessions decoded together: one reading of the weights serves all of them, while every
// one keeps its own cache and position.
#pragma once

#include <span>
#include <vector>

#include "engine/engine.h"

namespace lowkey::engine {

class Batch {
 public:
  /// Room for `n_rows` tokens per step, over all sessions.
  static Result<Batch> open(const Engine& engine, int n_rows);

  /// What one session is given in a step: one token to decode, or a stretch of its prompt.
  struct Entry {
    Session* session = nullptr;
    std::span<const int32_t> tokens;
  };

  /// One step. Sessions come and go between steps as they like. Where an entry is refused (no room
  /// in its context, an unknown token) nothing is fed to anyone.
  Status feed(std::span<const Entry> entries);

  /// Logits [n_entries, n_vocab] that follow the last token of every entry of the last step; valid
  /// until the next call.
  MatrixView<const float> logits();
  /// The k best of each entry, likeliest first; k = 0: all, by their ids. Valid until the next
  /// call.
  std::span<const std::vector<Candidate>> best_logits(int64_t k);

 private:
  explicit Batch(const Engine& engine) : engine_(&engine), rope_(engine.config().rope) {}
  Status check(std::span<const Entry> entries) const;
  MatrixView<const float> last_hidden() const;

  const Engine* engine_;
  RopeTable rope_;
  BlockScratch scratch_;
  std::vector<Decoder::Entry> entries_;
  std::vector<float> last_hidden_;  // [n_entries, n_embd]
  std::vector<float> logits_;
  std::vector<std::vector<Candidate>> best_;
};

}  // namespace lowkey::engine
