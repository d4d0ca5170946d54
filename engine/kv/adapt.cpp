#include "engine/kv/adapt.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lowkey::engine {

namespace {

constexpr double kFewestTokens = 32;  // that a version may follow from

/// Small square matrices, row-major, in double.
struct Square {
  int d = 0;
  std::vector<double> m;

  explicit Square(int size) : d(size), m(size_t(size) * size_t(size)) {}
  double& at(int i, int j) { return m[size_t(i * d + j)]; }
  double at(int i, int j) const { return m[size_t(i * d + j)]; }
};

Square transpose(const Square& a) {
  Square out(a.d);
  for (int i = 0; i < a.d; ++i) {
    for (int j = 0; j < a.d; ++j) out.at(j, i) = a.at(i, j);
  }
  return out;
}

Square product(const Square& a, const Square& b) {
  Square out(a.d);
  for (int i = 0; i < a.d; ++i) {
    for (int k = 0; k < a.d; ++k) {
      for (int j = 0; j < a.d; ++j) out.at(i, j) += a.at(i, k) * b.at(k, j);
    }
  }
  return out;
}

/// t a t^T.
Square turned(const Square& t, const Square& a) { return product(product(t, a), transpose(t)); }

/// The rows of the orthonormal factor of y^T (modified Gram-Schmidt, twice), pointing as y's
/// diagonal does.
Square orthonormal_rows(Square y) {
  const int d = y.d;
  const auto row = [&](int i) { return y.m.data() + i * d; };
  for (int i = 0; i < d; ++i) {
    for (int pass = 0; pass < 2; ++pass) {
      for (int j = 0; j < i; ++j) {
        double dot = 0;
        for (int c = 0; c < d; ++c) dot += row(i)[c] * row(j)[c];
        for (int c = 0; c < d; ++c) row(i)[c] -= dot * row(j)[c];
      }
    }
    double norm = 0;
    for (int c = 0; c < d; ++c) norm += row(i)[c] * row(i)[c];
    const double scale = 1.0 / std::sqrt(std::max(norm, std::numeric_limits<double>::min()));
    for (int c = 0; c < d; ++c) row(i)[c] *= scale;
  }
  return y;
}

Square turn_of(const SideVersion* version, int d) {
  Square out(d);
  if (version && !version->turn.empty()) {
    std::copy(version->turn.begin(), version->turn.end(), out.m.begin());
  } else {
    for (int i = 0; i < d; ++i) out.at(i, i) = 1;
  }
  return out;
}

template <class Numbers>
int64_t bytes_of(const Numbers& numbers) {
  return int64_t(numbers.size() * sizeof(numbers[0]));
}

int64_t bytes_of(const SideVersion& side) {
  return bytes_of(side.shift) + bytes_of(side.turn) + side.into.bytes() + side.out_of.bytes() +
         bytes_of(side.steps) + bytes_of(side.variance);
}

void enter_side(const Context& context, const std::vector<SideVersion>& side, MatrixView<float> x) {
  const int n_heads = int(side.size()), d = int(x.cols) / n_heads;
  context.team->parallel_for(x.rows, 16, [&](Range rows, int) {
    thread_local std::vector<float> turned;
    turned.resize(size_t(d));
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      for (int h = 0; h < n_heads; ++h) {
        const SideVersion& own = side[size_t(h)];
        float* z = x.row(i) + h * d;
        if (own.turn.empty()) {
          for (int c = 0; c < d; ++c) z[c] -= own.shift[size_t(c)];
          continue;
        }
        context.kernels->latent_project(own.into.encoder(own.shift.data()),
                                        matrix<const float>(z, 1, d), matrix(turned.data(), 1, d));
        std::copy_n(turned.data(), d, z);
      }
    }
  });
}

}  // namespace

int64_t LayerVersion::bytes() const {
  int64_t bytes = 0;
  for (const auto* side : {&k, &v}) {
    for (const SideVersion& version : *side) bytes += bytes_of(version);
  }
  return bytes;
}

void LayerVersion::enter(const Context& context, MatrixView<float> keys,
                         MatrixView<float> values) const {
  enter_side(context, k, keys);
  enter_side(context, v, values);
}

void LayerVersions::Sums::clear() {
  n = 0;
  std::ranges::fill(first, 0.0);
  std::ranges::fill(second, 0.0);
}

LayerVersions::LayerVersions(const LatentCode& code, int layer, const AdaptOptions& options,
                             int64_t first)
    : options_(options), layer_(layer), first_(first), sums_(2 * size_t(code.n_kv_heads)) {
  const size_t d = size_t(code.head_dim);
  for (Sums& sums : sums_) {
    sums.first.resize(d);
    sums.second.resize(options.turns ? d * d : d);
  }
}

const LayerVersion* LayerVersions::at(int64_t position) const {
  const auto next = std::ranges::upper_bound(versions_, position, {},
                                             [](const auto& version) { return version->begin; });
  return next == versions_.begin() ? nullptr : std::prev(next)->get();
}

int64_t LayerVersions::end_of(int64_t position) const {
  const auto next = std::ranges::upper_bound(versions_, position, {},
                                             [](const auto& version) { return version->begin; });
  return next == versions_.end() ? std::numeric_limits<int64_t>::max() : (*next)->begin;
}

void LayerVersions::add_rows(Sums& sums, MatrixView<const float> rows) const {
  const int64_t d = rows.cols;
  for (int64_t i = 0; i < rows.rows; ++i) {
    const float* z = rows.row(i);
    sums.n += 1;
    for (int64_t a = 0; a < d; ++a) {
      const double za = z[a];
      sums.first[size_t(a)] += za;
      if (!options_.turns) {
        sums.second[size_t(a)] += za * za;
        continue;
      }
      double* row = sums.second.data() + a * d;
      for (int64_t b = 0; b < d; ++b) row[b] += za * z[b];
    }
  }
}

void LayerVersions::add(const Context& context, MatrixView<const float> k,
                        MatrixView<const float> v, int64_t position) {
  if (position < n_seen_) truncate(position);  // a block that was written and never committed
  const int64_t end = position + k.rows, skip = std::clamp<int64_t>(first_ - position, 0, k.rows);
  n_seen_ = end;
  if (int(versions_.size()) >= options_.max_versions || skip == k.rows) return;
  const int64_t n_heads = int64_t(sums_.size()) / 2, d = k.cols / n_heads;
  context.team->parallel_for(2 * n_heads, 1, [&](Range parts, int) {
    for (int64_t i = parts.begin; i < parts.end; ++i) {
      const MatrixView<const float>& rows = i < n_heads ? k : v;
      add_rows(sums_[size_t(i)],
               {rows.row(skip) + i % n_heads * d, rows.rows - skip, d, rows.stride});
    }
  });
}

SideVersion LayerVersions::next_side(const LatentSideCode& file, const SideVersion* now,
                                     const Sums& sums) const {
  const int d = file.d;
  const double rate = options_.rate;
  SideVersion out;
  out.shift = now ? now->shift : std::vector<float>(size_t(d), 0.0f);
  // Plain means and deviations are not what the file's were: those count tokens by what attention
  // makes of them. A turn needs only how coordinates move together.
  for (int i = 0; i < d && !options_.turns; ++i) {
    out.shift[size_t(i)] += float(rate * (sums.first[size_t(i)] / sums.n - out.shift[size_t(i)]));
  }
  // Of z - shift: E[z z^T] - m s^T - s m^T + s s^T.
  Square covariance(d);
  for (int i = 0; i < d; ++i) {
    for (int j = 0; j < d; ++j) {
      if (!options_.turns && i != j) continue;
      const double si = out.shift[size_t(i)], sj = out.shift[size_t(j)];
      const double second = sums.second[size_t(options_.turns ? i * d + j : i)];
      covariance.at(i, j) =
          (second - sums.first[size_t(i)] * sj - si * sums.first[size_t(j)]) / sums.n + si * sj;
    }
  }
  Square turn = turn_of(now, d);
  if (options_.turns) covariance = turned(turn, covariance);
  for (double& x : covariance.m) x *= rate;
  const std::vector<float>& known = now ? now->variance : file.variances;
  for (int i = 0; i < d; ++i) covariance.at(i, i) += (1 - rate) * double(known[size_t(i)]);
  if (options_.turns) {
    const Square step = orthonormal_rows(covariance);
    turn = product(step, turn);
    covariance = turned(step, covariance);
    out.turn.assign(turn.m.begin(), turn.m.end());
    out.into = HalfMatrix(transposed(out.turn, d), d);
    out.out_of = HalfMatrix(out.turn, d);
  }
  for (int i = 0; i < d; ++i) out.variance.push_back(float(covariance.at(i, i)));
  for (size_t i = 0; i < file.steps.size(); ++i) {
    // A coordinate that stands still now may move again.
    const float before = std::max(file.variances[i], 1e-30f);
    const float ratio = std::clamp(out.variance[i] / before, 1e-4f, 1e4f);
    out.steps.push_back(file.steps[i] * (options_.turns ? 1.0f : std::sqrt(ratio)));
  }
  return out;
}

void LayerVersions::update(const Context& context, const LatentCode& code, int64_t position) {
  const bool full = int(versions_.size()) >= options_.max_versions;
  if (!full && sums_[0].n >= kFewestTokens) versions_.push_back(next(context, code, position));
  for (Sums& sums : sums_) sums.clear();
}

std::shared_ptr<const LayerVersion> LayerVersions::next(const Context& context,
                                                        const LatentCode& code,
                                                        int64_t position) const {
  const LayerVersion* now = versions_.empty() ? nullptr : versions_.back().get();
  const int n_heads = code.n_kv_heads;
  auto made = std::make_shared<LayerVersion>();
  made->begin = position;
  made->k.resize(size_t(n_heads));
  made->v.resize(size_t(n_heads));
  context.team->parallel_for(2 * n_heads, 1, [&](Range parts, int) {
    for (int64_t i = parts.begin; i < parts.end; ++i) {
      const bool keys = i < n_heads;
      const size_t h = size_t(i % n_heads), at = code.index(layer_, int(h));
      const SideVersion* own = !now ? nullptr : keys ? &now->k[h] : &now->v[h];
      (keys ? made->k : made->v)[h] =
          next_side(keys ? code.k[at] : code.v[at], own, sums_[size_t(i)]);
    }
  });
  return made;
}

void LayerVersions::truncate(int64_t n) {
  while (!versions_.empty() && versions_.back()->begin > n) versions_.pop_back();
  if (n >= n_seen_) return;
  n_seen_ = n;
  for (Sums& sums : sums_) sums.clear();
}

int64_t LayerVersions::bytes() const {
  int64_t bytes = 0;
  for (const auto& version : versions_) bytes += version->bytes();
  return bytes;
}

int64_t LayerVersions::bytes_per_version(const LatentCode& code, int layer, bool turns) {
  int64_t bytes = 0;
  for (int h = 0; h < code.n_kv_heads; ++h) {
    for (const auto* side : {&code.k, &code.v}) {
      const LatentSideCode& own = (*side)[code.index(layer, h)];
      const int64_t d = own.d;
      bytes += d * int64_t(2 * sizeof(float)) + bytes_of(own.steps);
      if (turns) bytes += d * d * int64_t(sizeof(float) + 2 * sizeof(uint16_t));
    }
  }
  return bytes;
}

}  // namespace lowkey::engine
