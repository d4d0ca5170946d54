#include "calib/simulate.h"

#include <algorithm>
#include <cmath>

#include "base/half.h"
#include "engine/kv/latent_matrices.h"
#include "simd/latent_tile.h"

namespace lowkey::calib {

namespace {

using models::BasisFile;
using models::HeadBasis;

/// The code of one vector, in place: what the kernels' encode and decode give together.
void round_latent(const HeadBasis& basis, float* z) {
  float ratio = 0.0f;
  for (int i = 0; i < basis.d(); ++i) {
    const int width = basis.widths[size_t(i)];
    if (width < 1 || width > 8) continue;
    ratio = std::max(ratio, std::fabs(z[i]) / (simd::latent_range(width) * basis.steps[size_t(i)]));
  }
  const float gain = simd::latent_gain(simd::latent_gain_code(ratio));
  for (int i = 0; i < basis.d(); ++i) {
    const int width = basis.widths[size_t(i)];
    if (width == 16) {
      z[i] = bf16_to_f32(f32_to_bf16(z[i]));
    } else if (width == 0) {
      z[i] = 0.0f;
    } else {
      const float step = basis.steps[size_t(i)] * gain, half = float(1 << (width - 1));
      z[i] = (std::clamp(std::floor(z[i] / step), -half, half - 1.0f) + 0.5f) * step;
    }
  }
}

/// A head's matrices as latent_project reads them.
struct Projections {
  engine::HalfMatrix in, out;
};

class Simulator {
 public:
  Simulator(const engine::Engine& engine, std::shared_ptr<const BasisFile> file,
            const CodedPart& part)
      : engine_(engine), file_(std::move(file)), part_(part), rope_(engine.config().rope) {
    for (const models::LayerBasis& layer : file_->layers) {
      for (const models::SideBasis* side : {&layer.k, &layer.v}) {
        for (const HeadBasis& head : side->heads) {
          const int d = head.d();
          projections_.push_back({engine::HalfMatrix(engine::transposed(head.encoder, d), d),
                                  engine::HalfMatrix(engine::transposed(head.decoder, d), d)});
        }
      }
    }
  }

  void operator()(int layer, int64_t first, MatrixView<float> k, MatrixView<float> v) {
    const models::LayerBasis& basis = file_->layers[size_t(layer)];
    const size_t n_heads = basis.k.heads.size();
    const Projections* projections = projections_.data() + size_t(layer) * 2 * n_heads;
    if (part_.has(layer, false)) code(basis.v, projections + n_heads, true, v);
    if (!part_.has(layer, true)) return;
    rope_.reserve(first + k.rows);
    const bool pre = file_->space == "pre-rope", rotary = file_->centring == "rotary";
    if (pre) turn(k, first, -1.0f);
    if (rotary) shift(basis.k, k, first, -1.0f, !pre);
    code(basis.k, projections, !rotary, k);
    if (rotary) shift(basis.k, k, first, 1.0f, !pre);
    if (pre) turn(k, first, 1.0f);
  }

 private:
  const simd::KernelSet& kernels() const { return *engine_.context().kernels; }

  /// Every head of x through its code. A rotary mean is not the code's business.
  void code(const models::SideBasis& side, const Projections* projections, bool own_mean,
            MatrixView<float> x) {
    engine_.context().team->parallel_for(x.rows, 16, [&](Range rows, int) {
      thread_local std::vector<float> z;
      int64_t column = 0;
      for (size_t h = 0; h < side.heads.size(); ++h) {
        const HeadBasis& head = side.heads[h];
        const int d = head.d();
        z.resize(size_t(rows.size() * d));
        const auto latents = matrix(z.data(), rows.size(), d);
        const MatrixView<float> part{x.row(rows.begin) + column, rows.size(), d, x.stride};
        const float* mean = own_mean ? head.mean.data() : nullptr;
        kernels().latent_project(projections[h].in.encoder(mean),
                                 {part.data, part.rows, d, part.stride}, latents);
        for (int64_t i = 0; i < latents.rows; ++i) round_latent(head, latents.row(i));
        kernels().latent_project(projections[h].out.encoder(), {z.data(), rows.size(), d, d}, part);
        for (int64_t i = 0; own_mean && i < part.rows; ++i)
          kernels().axpby(1, mean, 1, part.row(i), d);
        column += d;
      }
    });
  }

  /// RoPE (direction 1) or its inverse (-1) on all heads of every row.
  void turn(MatrixView<float> k, int64_t first, float direction) const {
    const models::ModelConfig& c = engine_.config();
    std::vector<float> row(size_t(c.rope.n_rot));
    for (int64_t i = 0; i < k.rows; ++i) {
      std::copy_n(rope_.row(first + i), row.size(), row.begin());
      for (size_t j = row.size() / 2; j < row.size(); ++j) row[j] *= direction;
      kernels().rope(k.row(i), c.n_kv_heads, c.head_dim, row.data(), c.rope.n_rot,
                     c.rope.neighbours);
    }
  }

  /// k += sign R_n mu (turned), or sign mu (before RoPE).
  void shift(const models::SideBasis& side, MatrixView<float> k, int64_t first, float sign,
             bool turned) const {
    const models::ModelConfig& c = engine_.config();
    std::vector<float> mean;
    for (const HeadBasis& head : side.heads)
      mean.insert(mean.end(), head.mean.begin(), head.mean.end());
    for (float& x : mean) x *= sign;
    std::vector<float> row(mean.size());
    for (int64_t i = 0; i < k.rows; ++i) {
      row = mean;
      if (turned) {
        kernels().rope(row.data(), c.n_kv_heads, c.head_dim, rope_.row(first + i), c.rope.n_rot,
                       c.rope.neighbours);
      }
      kernels().axpby(1, row.data(), 1, k.row(i), int64_t(row.size()));
    }
  }

  const engine::Engine& engine_;
  std::shared_ptr<const BasisFile> file_;
  CodedPart part_;
  engine::RopeTable rope_;
  std::vector<Projections> projections_;  // [layers][K heads, V heads]
};

int64_t side_bits(const models::SideBasis& side) {
  int64_t bits = 0;
  for (const HeadBasis& head : side.heads) {
    bool has_codes = false;
    for (int i = 0; i < head.d(); i += simd::kLatentGroup) {
      const int width = head.widths[size_t(i)];
      bits += int64_t{width} * simd::kLatentGroup;
      has_codes |= width >= 1 && width <= 8;
    }
    bits += has_codes ? 8 : 0;
  }
  return bits;
}

}  // namespace

engine::RowCodec simulated_code(const engine::Engine& engine, std::shared_ptr<const BasisFile> file,
                                const CodedPart& part) {
  auto simulator = std::make_shared<Simulator>(engine, std::move(file), part);
  return [simulator](int layer, int64_t first, MatrixView<float> k, MatrixView<float> v) {
    (*simulator)(layer, first, k, v);
  };
}

engine::CacheSpec simulated_cache(const engine::Engine& engine,
                                  std::shared_ptr<const BasisFile> file, const CodedPart& part) {
  engine::CacheSpec spec;
  spec.type = simd::KvType::kF32;
  spec.codec_name = "latent, simulated";
  spec.codec_bits_k = bits_per_element(*file, true);
  spec.codec_bits_v = bits_per_element(*file, false);
  spec.codec = simulated_code(engine, std::move(file), part);
  return spec;
}

double bits_per_element(const BasisFile& file, bool keys) {
  int64_t bits = 0;
  for (const models::LayerBasis& layer : file.layers) bits += side_bits(keys ? layer.k : layer.v);
  return double(bits) / double(int64_t(file.layers.size()) * file.n_kv_heads * file.head_dim);
}

}  // namespace lowkey::calib
