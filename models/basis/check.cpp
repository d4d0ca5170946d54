#include <cmath>
#include <set>

#include "models/basis/basis.h"

namespace lowkey::models {
namespace {

Error damaged(const std::string& where, std::string what) {
  return make_error(ErrorCode::kInvalidData, where, std::move(what));
}

Status check_floats(const std::vector<float>& values, size_t n, const char* what,
                    const std::string& where) {
  if (values.size() != n) {
    return damaged(where, std::string("expected ") + std::to_string(n) + " numbers of " + what +
                              ", found " + std::to_string(values.size()));
  }
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(values[i])) {
      return damaged(where, std::string("expected finite numbers of ") + what +
                                ", found another at " + std::to_string(i));
    }
  }
  return {};
}

Status check_codes(const HeadBasis& head, const std::string& where) {
  for (size_t i = 0; i < head.widths.size(); ++i) {
    const int width = head.widths[i];
    const std::string place = " at coordinate " + std::to_string(i);
    if (width > 8 && width != 16) {
      return damaged(
          where, "expected a width of 0 to 8 bits or 16, found " + std::to_string(width) + place);
    }
    if (i > 0 && width > 0 && head.widths[i - 1] == 0) {
      return damaged(where, "expected stored coordinates first, found a gap before" + place);
    }
    if (width >= 1 && width <= 8 && !(head.steps[i] > 0)) {
      return damaged(where,
                     "expected a positive step, found " + std::to_string(head.steps[i]) + place);
    }
    if (head.variances[i] < 0 || head.costs[i] < 0) {
      return damaged(where, "expected variances and costs of at least 0, found less" + place);
    }
  }
  return {};
}

Status check_head(const HeadBasis& head, size_t d, const std::string& where) {
  LK_RETURN_IF_ERROR(check_floats(head.encoder, d * d, "the encoder", where));
  LK_RETURN_IF_ERROR(check_floats(head.decoder, d * d, "the decoder", where));
  LK_RETURN_IF_ERROR(check_floats(head.mean, d, "the mean", where));
  LK_RETURN_IF_ERROR(check_floats(head.variances, d, "the variances", where));
  LK_RETURN_IF_ERROR(check_floats(head.costs, d, "the costs", where));
  LK_RETURN_IF_ERROR(check_floats(head.steps, d, "the steps", where));
  if (head.widths.size() != d) {
    return damaged(where, "expected " + std::to_string(d) + " widths, found " +
                              std::to_string(head.widths.size()));
  }
  return check_codes(head, where);
}

Status check_side(const SideBasis& side, const BasisFile& file, const std::string& where) {
  const size_t n_heads = file.joint ? 1 : size_t(file.n_kv_heads);
  const size_t d = size_t(file.head_dim) * (file.joint ? size_t(file.n_kv_heads) : 1);
  if (side.heads.size() != n_heads) {
    return damaged(where, "expected " + std::to_string(n_heads) + " bases, found " +
                              std::to_string(side.heads.size()));
  }
  if (!std::isfinite(side.sensitivity) || side.sensitivity < 0) {
    return damaged(where, "expected a finite sensitivity of at least 0, found " +
                              std::to_string(side.sensitivity));
  }
  for (size_t h = 0; h < n_heads; ++h) {
    LK_RETURN_IF_ERROR(check_head(side.heads[h], d, where + " head " + std::to_string(h)));
  }
  return {};
}

bool is_hash(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

Status check_header(const BasisFile& file, const std::string& where) {
  const int64_t d = int64_t{file.head_dim} * (file.joint ? file.n_kv_heads : 1);
  if (file.n_kv_heads < 1 || file.head_dim < 1 || file.n_kv_heads > kMaxBasisDim ||
      file.head_dim > kMaxBasisDim || d > kMaxBasisDim || file.layers.empty()) {
    return damaged(where, "expected at least one layer and head, and latents of 1 to " +
                              std::to_string(kMaxBasisDim) + " coordinates, found others");
  }
  const std::set<std::string> spaces = {"post-rope", "pre-rope"};
  const std::set<std::string> centrings = {"none", "mean", "rotary"};
  if (!spaces.contains(file.space) || !centrings.contains(file.centring)) {
    return damaged(where, "expected a known space and centring, found '" + file.space + "' and '" +
                              file.centring + "'");
  }
  if (!is_hash(file.model_hash) || !is_hash(file.text_hash)) {
    return damaged(where, "expected SHA-256 hashes of model and text, found other text");
  }
  if (!std::isfinite(file.bits_per_element) || file.n_tokens < 0) {
    return damaged(where, "expected finite bits per element and a count of tokens, found others");
  }
  return {};
}

Status check_surfaces(const BasisFile& file, const std::string& where) {
  const ErrorProfile& profile = file.profile;
  const size_t n = profile.levels.size();
  for (size_t i = 0; i < n; ++i) {
    if (!(profile.levels[i] > (i > 0 ? profile.levels[i - 1] : 0) && profile.levels[i] <= 16)) {
      return damaged(where, "expected rising levels above 0, up to 16 bits, found others");
    }
  }
  if (profile.surfaces.size() != (n > 0 ? file.layers.size() : 0)) {
    return damaged(where, "expected a surface for each layer, found " +
                              std::to_string(profile.surfaces.size()));
  }
  for (const std::vector<float>& surface : profile.surfaces) {
    LK_RETURN_IF_ERROR(check_floats(surface, n * n, "an error surface", where));
    for (const float error : surface) {
      if (error < 0) return damaged(where, "expected errors of at least 0, found one below");
    }
  }
  return {};
}

Status check_measurements(const ErrorProfile& profile, const std::string& where) {
  const size_t n = profile.measured_kld.size();
  if (profile.measured_bits.size() != n || profile.measured_sum.size() != n) {
    return damaged(where, "expected as many measured bits and sums as divergences (" +
                              std::to_string(n) + "), found other counts");
  }
  for (const double x : {profile.kld_scale, profile.kld_exponent}) {
    if (!std::isfinite(x) || !(x > 0)) {
      return damaged(where, "expected a positive scale and exponent of the divergence, found " +
                                std::to_string(x));
    }
  }
  for (const auto* values :
       {&profile.measured_bits, &profile.measured_sum, &profile.measured_kld}) {
    for (const double x : *values) {
      if (!std::isfinite(x) || x < 0) {
        return damaged(where, "expected measurements of at least 0, found " + std::to_string(x));
      }
    }
  }
  return {};
}

}  // namespace

Status check_basis(const BasisFile& file, const std::string& where) {
  LK_RETURN_IF_ERROR(check_header(file, where));
  for (size_t l = 0; l < file.layers.size(); ++l) {
    const std::string layer = where + ": layer " + std::to_string(l);
    LK_RETURN_IF_ERROR(check_side(file.layers[l].k, file, layer + " K"));
    LK_RETURN_IF_ERROR(check_side(file.layers[l].v, file, layer + " V"));
  }
  LK_RETURN_IF_ERROR(check_surfaces(file, where + ": profile"));
  return check_measurements(file.profile, where + ": profile");
}

Status match_model(const BasisFile& file, std::string_view model_hash, const std::string& where) {
  if (file.model_hash == model_hash) return {};
  return make_error(ErrorCode::kInvalidArgument, where,
                    "expected a basis of this model (" + std::string(model_hash.substr(0, 12)) +
                        "), found one calibrated on another (" + file.model_hash.substr(0, 12) +
                        ")");
}

}  // namespace lowkey::models
