#include "engine/traffic/rates.h"

#include "engine/decoder/rope_table.h"
#include "engine/traffic/timed.h"

namespace lowkey::engine {

namespace {

constexpr int64_t kMostRows = int64_t{1} << 20;
constexpr int64_t kPromptRows = 512;                  // of a block of a prompt
constexpr int64_t kMatrixBytes = int64_t{256} << 10;  // per thread: well within a level-2 cache

/// Norms, rotation and gate of one row of one layer.
double row_seconds(const Context& context, const models::ModelConfig& config) {
  const simd::KernelSet& kernels = *context.kernels;
  const int n_heads = config.n_heads + config.n_kv_heads;
  const int64_t n_ff = config.n_ff, n_embd = config.n_embd;
  const std::vector<float> row = random_rows(std::max(n_embd, 2 * n_ff), 2);
  std::vector<float> heads = random_rows(int64_t{n_heads} * config.head_dim, 3);
  std::vector<float> out(row.size());
  RopeTable rope(config.rope);
  rope.reserve(2);
  return seconds_of([&] {
    for (int norm = 0; norm < 2; ++norm) {
      kernels.rms_norm(row.data(), row.data(), n_embd, 1e-5f, out.data());
    }
    kernels.rope(heads.data(), n_heads, config.head_dim, rope.row(1), config.rope.n_rot,
                 config.rope.neighbours);
    kernels.swiglu(row.data(), row.data() + n_ff, n_ff, out.data());
  });
}

/// Matrices of the model's usual size, one after another, as a step applies them.
class WeightProbe {
 public:
  /// Matrices of at most `largest` bytes that take about `all` bytes together, for n_blocks blocks
  /// of rows at a time.
  static Result<WeightProbe> create(const Context& context, const models::ModelConfig& config,
                                    DType type, int64_t largest, int64_t all, int64_t n_blocks) {
    WeightProbe probe(context, config.n_embd);
    const double elements = weight_traffic(config, 8).layer_elements / (4.0 * config.n_layers);
    const int64_t row_bytes = std::max<int64_t>(1, dtype_bytes(type, config.n_embd));
    probe.n_rows_ = std::max<int64_t>(
        simd::kPanelRows, std::min(int64_t(elements) / config.n_embd, largest / row_bytes));
    const std::vector<std::byte> zeros(size_t(probe.n_rows_ * row_bytes));
    const models::TensorView tensor{"rate test", type, probe.n_rows_, config.n_embd, zeros};
    const models::TensorView* const parts[] = {&tensor};
    WeightStore store(*context.team);
    constexpr int64_t kMost = 500;  // tiny matrices are about joins anyway
    const int64_t size = std::max(int64_t(zeros.size()), ceil_div(all, kMost));
    for (int64_t bytes = 0; bytes < all; bytes += size) {
      LK_ASSIGN(Linear linear, Linear::pack(parts, store));
      probe.matrices_.push_back(std::move(linear));
    }
    const int64_t most_rows = context.bf16_prefill ? kPromptRows : kManyRows;
    const int64_t n_rows = std::max(n_blocks * kManyRows, most_rows);
    LK_ASSIGN(probe.scratch_, ActivationScratch::allocate(n_rows, config.n_embd));
    probe.x_ = random_rows(most_rows * config.n_embd, 1);
    probe.y_.resize(size_t(n_rows * probe.n_rows_));
    return probe;
  }

  /// Seconds of all matrices with a block of n rows.
  double seconds(int64_t n) {
    const MatrixView<const float> x = matrix<const float>(x_.data(), n, n_cols_);
    return seconds_of([&] {
      for (size_t i = 0; i < matrices_.size(); ++i) {
        matrices_[(i + 1) % matrices_.size()].expect(context_);
        matrices_[i].apply(context_, x, scratch_.rows(), {y_.data(), n_rows_, false});
      }
    });
  }

  /// The same with such a block on every thread, which has it to itself, as where a prompt's rows
  /// are shared out.
  double seconds_apart() {
    Context alone = context_;
    alone.team = &caller_alone();
    const MatrixView<const float> x = matrix<const float>(x_.data(), kManyRows, n_cols_);
    return seconds_of([&] {
      context_.team->parallel_for(context_.team->size(), 1, [&](Range blocks, int) {
        for (int64_t b = blocks.begin; b < blocks.end; ++b) {
          const int64_t first = b * kManyRows;
          float* y = y_.data() + first * n_rows_;
          for (const Linear& m : matrices_) {
            m.apply(alone, x, scratch_.rows(first), {y, n_rows_, false});
          }
        }
      });
    });
  }
  /// Rows from which on they are shared out; 0: never.
  int64_t rows_apart() const {
    if (!matrices_.front().reads_panels(context_, kManyRows)) return 0;
    int64_t n = kManyRows;
    while (n < kMostRows && !shares_out_tokens(context_, n)) n *= 2;
    return n < kMostRows ? n : 0;
  }

  double bytes() const { return double(matrices_.size()) * double(matrices_.front().bytes()); }
  double elements() const { return double(matrices_.size()) * double(n_rows_ * n_cols_); }

 private:
  WeightProbe(const Context& context, int64_t n_cols) : context_(context), n_cols_(n_cols) {}

  Context context_;
  int64_t n_rows_ = 0, n_cols_ = 0;
  std::vector<Linear> matrices_;
  ActivationScratch scratch_;
  std::vector<float> x_, y_;
};

}  // namespace

Status measure_weight_rates(const Context& context, const models::ModelConfig& config, DType type,
                            Machine& machine) {
  const int64_t near_bytes = kMatrixBytes * context.team->size();
  LK_ASSIGN(WeightProbe near,
            WeightProbe::create(context, config, type, near_bytes, 1, context.team->size()));
  LK_ASSIGN(WeightProbe far, WeightProbe::create(context, config, type, kFarBytes, kFarBytes, 1));
  machine.weights.clear();
  for (const int64_t rows : {1, 2, 4, 8, kManyRows}) {
    WeightRate rate{double(rows), double(rows) * near.elements() / near.seconds(rows), 1.0};
    // Many rows wait for products, not for memory.
    if (rows < kManyRows) rate.reach = efficiency(machine, far.bytes(), far.seconds(rows));
    machine.weights.push_back(rate);
  }
  if (context.bf16_prefill) {  // prompts have products of their own
    const double products = double(kPromptRows) * near.elements();
    machine.weights.push_back({double(kPromptRows), products / near.seconds(kPromptRows), 1.0});
  }
  if (const int64_t rows = near.rows_apart(); rows > 0) {
    const double products = double(kManyRows * context.team->size()) * near.elements();
    machine.weights.push_back({double(rows), products / near.seconds_apart(), 1.0});
  }
  machine.row_seconds = row_seconds(context, config);
  return {};
}

}  // namespace lowkey::engine
