#include "engine/decoder/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lowkey::engine {

namespace {

/// Llama 3: long waves are slowed by `factor`, short ones kept, those between blended.
double llama3_frequency(double frequency, const models::Llama3RopeScaling& s) {
  const double wavelength = 2.0 * std::numbers::pi / frequency;
  const double longest = double(s.original_context) / double(s.low_freq_factor);
  const double shortest = double(s.original_context) / double(s.high_freq_factor);
  if (wavelength < shortest) return frequency;
  if (wavelength > longest) return frequency / double(s.factor);
  const double blend = (double(s.original_context) / wavelength - double(s.low_freq_factor)) /
                       (double(s.high_freq_factor) - double(s.low_freq_factor));
  return (1.0 - blend) * frequency / double(s.factor) + blend * frequency;
}

}  // namespace

std::vector<double> rope_frequencies(const models::RopeConfig& rope) {
  std::vector<double> frequencies;
  for (int i = 0; i < rope.n_rot / 2; ++i) {
    double f = std::pow(double(rope.theta), -2.0 * i / rope.n_rot);
    if (rope.llama3) f = llama3_frequency(f, *rope.llama3);
    if (!rope.frequency_factors.empty()) f /= double(rope.frequency_factors[size_t(i)]);
    frequencies.push_back(f / double(rope.linear_factor));
  }
  return frequencies;
}

RopeTable::RopeTable(const models::RopeConfig& rope)
    : frequencies_(rope_frequencies(rope)), n_rot_(rope.n_rot) {}

void RopeTable::reserve(int64_t n) {
  const int64_t half = n_rot_ / 2;
  int64_t position = half > 0 ? int64_t(table_.size()) / n_rot_ : n;
  if (n > position) table_.resize(size_t(n * n_rot_));
  for (; position < n; ++position) {
    float* row = table_.data() + position * n_rot_;
    for (int64_t i = 0; i < half; ++i) {
      const double angle = double(position) * frequencies_[size_t(i)];
      row[i] = float(std::cos(angle));
      row[half + i] = float(std::sin(angle));
    }
  }
  if (half > 0) list_starts(n);
}

/// For positions below n, all anew when they outgrow their rows, which is seldom.
void RopeTable::list_starts(int64_t n) {
  const int64_t n_chunks = ceil_div(n, simd::kLatentChunk) + simd::kLatentStarts;
  if (n_chunks <= starts_stride_) return;
  const int64_t half = n_rot_ / 2, room = std::max(n_chunks, 2 * starts_stride_);
  starts_stride_ = round_up(room, 64) + 16;  // never a power of two
  starts_.resize(size_t(n_rot_ * starts_stride_));
  for (int64_t i = 0; i < half; ++i) {
    for (int64_t k = 0; k < starts_stride_; ++k) {
      const double angle = double(k * simd::kLatentChunk) * frequencies_[size_t(i)];
      starts_[size_t(i * starts_stride_ + k)] = float(std::cos(angle));
      starts_[size_t((half + i) * starts_stride_ + k)] = float(std::sin(angle));
    }
  }
}

simd::ChunkStarts RopeTable::chunk_starts(int64_t position) const {
  if (starts_.empty() || position % simd::kLatentChunk != 0) return {};
  return {starts_.data() + position / simd::kLatentChunk, starts_stride_};
}

}  // namespace lowkey::engine
