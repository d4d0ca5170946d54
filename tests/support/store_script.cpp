#include "tests/support/store_script.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "tests/support/store_setting.h"

namespace lowkey::testing {

namespace {

using engine::KvCache;

constexpr int64_t kContext = 1300;  // two page boundaries
constexpr int kBatch = 48;
constexpr size_t kMaxBranches = 4;
/// Back to here the exact copies reach from the furthest end (KvCache::truncate).
constexpr int64_t kShortCut = simd::kTileTokens;

void require(const Status& status) { LK_CHECK(status.ok(), status.error().message().c_str()); }

/// A cache and the ids of the tokens that it ought to hold.
struct Branch {
  KvCache cache;
  std::vector<uint32_t> ids;
  int64_t furthest = 0;  // end that the exact copies reach back from
  int64_t blurred = 0;   // queries before this position may read codes inside their window
  /// Of an adapted cache: what it held before each cut, and where that was.
  struct Past {
    std::vector<uint32_t> ids;
    int64_t cut;
  };
  std::vector<Past> past;

  int64_t size() const { return int64_t(ids.size()); }
};

class Player {
 public:
  Player(Words words, const simd::KernelSet& kernels, bool sabotage)
      : words_(words),
        setting_(words_),
        sabotage_(sabotage),
        context_{&kernels, &team_, engine::Precision::kExact, false},
        rope_(setting_.config.rope) {
    rope_.reserve(kContext);
    branches_.reserve(kMaxBranches);
    branches_.push_back({create(), {}, 0, 0, {}});
  }

  StoreOutcome play() {
    while (!words_.empty() && outcome_.failure.empty()) {
      const uint8_t action = words_.next(), argument = words_.next();
      act(action % 8, argument);
    }
    for (Branch& branch : branches_) read(branch, 1);
    for (Branch& branch : branches_) {
      for (int64_t p = 0; p < branch.size(); p += 128) {
        outcome_.n_versions += branch.cache.versions(0).at(p) != nullptr;
      }
      outcome_.n_tokens = std::max(outcome_.n_tokens, branch.size());
      outcome_.n_outliers += branch.cache.n_outliers();
    }
    return outcome_;
  }

 private:
  KvCache create() const {
    return take(KvCache::create(setting_.config, setting_.spec, kContext, kBatch));
  }

  void act(int action, int argument) {
    Branch& branch = branches_[size_t(current_)];
    if (action < 3) append(branch, 1 + argument % kBatch);
    if (action == 3) append_to_page_end(branch, argument % 5 - 2);
    if (action == 4) cut(branch, branch.size() - argument % (kShortCut + 1));
    if (action == 5) cut(branch, branch.size() * argument / 256);
    if (action == 6) {
      fork(branch);
      current_ = argument % int(branches_.size());
    }
    if (action == 7) read(branch, 1 + argument % kBatch);
  }

  void append(Branch& branch, int64_t n) {
    n = std::min(n, kContext - kBatch - branch.size());
    if (n <= 0) return;
    for (int64_t i = 0; i < n; ++i) branch.ids.push_back(++last_id_);
    feed(branch.cache, branch.ids, nullptr);
    branch.furthest = std::max(branch.furthest, branch.size());
  }

  /// Up to `offset` tokens beyond (or short of) the next page's beginning.
  void append_to_page_end(Branch& branch, int64_t offset) {
    const int64_t end = (branch.size() / engine::kPageTokens + 1) * engine::kPageTokens + offset;
    while (branch.size() < std::min(end, kContext - kBatch)) {
      append(branch, std::min<int64_t>(kBatch, end - branch.size()));
    }
  }

  void cut(Branch& branch, int64_t n) {
    n = std::clamp<int64_t>(n, 0, branch.size());
    if (branch.furthest - n > kShortCut) {
      branch.blurred = std::max(branch.blurred, n + setting_.spec.n_window);
    }
    outcome_.n_cuts += n < branch.size();
    outcome_.n_shared_cut += n < branch.size() && branches_.size() > 1;
    if (setting_.spec.adapt.every > 0 && n < branch.size()) branch.past.push_back({branch.ids, n});
    branch.ids.resize(size_t(n));
    branch.cache.truncate(n);
  }

  void fork(const Branch& branch) {
    if (branches_.size() == kMaxBranches) return;
    branches_.push_back(
        {take(branch.cache.fork()), branch.ids, branch.furthest, branch.blurred, branch.past});
    ++outcome_.n_forks;
  }

  /// Appends n tokens and compares attention and stored codes with a cache filled in one go.
  void read(Branch& branch, int64_t n) {
    n = std::min(n, kContext - branch.size());
    if (n <= 0 || !outcome_.failure.empty()) return;
    KvCache fresh = create();
    for (const Branch::Past& past : branch.past) {  // versions follow from what was cut off too
      feed(fresh, past.ids, nullptr);
      fresh.truncate(past.cut);
    }
    feed(fresh, branch.ids, nullptr);
    // When a lazy cache was coded depends on its history; codes made then are of halves.
    const bool lazy = setting_.spec.lazy_bytes > 0;
    const int64_t first = branch.size();
    for (int64_t i = 0; i < n; ++i) branch.ids.push_back(++last_id_);
    std::vector<float> out, expected;
    feed(branch.cache, branch.ids, &out);
    feed(fresh, branch.ids, &expected);
    branch.furthest = std::max(branch.furthest, branch.size());
    if (branch.cache.n_tokens() != branch.size()) return fail("number of tokens", branch);
    const bool exact = holds_all_exact(branch.cache) && holds_all_exact(fresh);
    const bool sharp = first >= branch.blurred && (!lazy || exact);
    if (!lazy && branch.cache.n_outliers() != fresh.n_outliers()) return fail("outliers", branch);
    for (const float x : out) {
      if (!std::isfinite(x)) return fail("attention is not finite", branch);
    }
    if (sharp && out != expected) return fail("attention", branch);
    outcome_.n_reads += sharp;
    if (!lazy) compare_codes(branch, fresh);
    if (n == 1) compare_plainly(branch, out);
  }

  void compare_plainly(const Branch& branch, const std::vector<float>& out) {
    const auto expected = plain_read(setting_, context_, branch.cache, branch.ids, false);
    const auto exact = plain_read(setting_, context_, branch.cache, branch.ids, true);
    for (size_t i = 0; i < expected.size(); ++i) {
      outcome_.plain_error += std::pow(double(out[i]) - expected[i], 2);
      outcome_.code_noise += std::pow(exact[i] - expected[i], 2);
    }
  }

  void compare_codes(const Branch& branch, const KvCache& fresh) {
    for (int64_t p = 0; p < branch.size(); ++p, ++outcome_.n_compared) {
      for (int h = 0; h < setting_.config.n_kv_heads; ++h) {
        for (const simd::LatentSide side : {simd::LatentSide::kK, simd::LatentSide::kV}) {
          if (stored_latents(branch.cache, side, h, p) == stored_latents(fresh, side, h, p))
            continue;
          return fail("codes of position " + std::to_string(p), branch);
        }
      }
    }
  }

  /// Feeds what the cache does not hold yet of `ids`: history in whole blocks without attention,
  /// or one block with it (`out`).
  void feed(KvCache& cache, const std::vector<uint32_t>& ids, std::vector<float>* out) {
    while (cache.n_tokens() < int64_t(ids.size())) {
      const int64_t first = cache.n_tokens();
      const int64_t n = std::min<int64_t>(kBatch, int64_t(ids.size()) - first);
      feed_block(cache, std::span(ids).subspan(size_t(first), size_t(n)), out);
    }
  }

  void feed_block(KvCache& cache, std::span<const uint32_t> ids, std::vector<float>* out) {
    const int64_t n = int64_t(ids.size()), n_kv = setting_.config.n_kv(),
                  n_q = n_kv * setting_.group;
    std::vector<float> k(size_t(n * n_kv)), v(k), q(size_t(n * n_q));
    for (int64_t i = 0; i < n; ++i) {
      fill_row(ids[size_t(i)], RowKind::kKey, k.data() + i * n_kv, n_kv);
      fill_row(ids[size_t(i)], RowKind::kValue, v.data() + i * n_kv, n_kv);
      fill_row(ids[size_t(i)], RowKind::kQuery, q.data() + i * n_q, n_q);
    }
    if (sabotage_ && !out && cache.n_tokens() == 0) v[0] += 1.0f, sabotage_ = false;
    if (cache.overflows(int(n))) {
      require(cache.code_all(context_, rope_));
      ++outcome_.n_coded_late;
    }
    require(cache.begin_block(int(n)));
    const auto keys = matrix(k.data(), n, n_kv), values = matrix(v.data(), n, n_kv);
    if (out) {
      out->assign(q.size(), 0.0f);
      engine::attend(context_, setting_.shape(),
                     {&cache,
                      &rope_,
                      0,
                      matrix(q.data(), n, n_q),
                      matrix(out->data(), n, n_q),
                      {keys, values}},
                     scratch_);
    } else {
      cache.write(context_, 0, rope_, {keys, values});
    }
    cache.retain_recent(context_, 0, keys, values);
    cache.commit();
  }

  void fail(const std::string& what, const Branch& branch) {
    outcome_.failure = what + " of " + std::to_string(branch.size()) + " tokens, head size " +
                       std::to_string(setting_.config.head_dim) + ", sinks " +
                       std::to_string(setting_.spec.n_sinks) + ", window " +
                       std::to_string(setting_.spec.n_window);
  }

  Words words_;
  StoreSetting setting_;
  bool sabotage_;
  Team team_{1};
  engine::Context context_;
  engine::RopeTable rope_;
  engine::AttendScratch scratch_;
  std::vector<Branch> branches_;
  int current_ = 0;
  uint32_t last_id_ = 0;
  StoreOutcome outcome_;
};

}  // namespace

StoreOutcome play_store_script(std::span<const uint8_t> script, const simd::KernelSet& kernels,
                               bool sabotage) {
  return Player(Words(script), kernels, sabotage).play();
}

}  // namespace lowkey::testing
