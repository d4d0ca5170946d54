#include "apps/common/report.h"

#include <spdlog/fmt/fmt.h>

namespace lowkey::apps {

namespace {

double rate(int64_t n, double seconds) { return seconds > 0 ? double(n) / seconds : 0.0; }

}  // namespace

std::string format_bytes(double bytes) {
  static const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  while (bytes >= 1024.0 && unit < 4) bytes /= 1024.0, ++unit;
  return fmt::format("{:.{}f} {}", bytes, unit == 0 ? 0 : 1, units[unit]);
}

std::string describe_run(const engine::GenerateResult& r, const engine::KvCache& cache) {
  // The first generated token comes out of the prompt's last step.
  const int64_t n_steps = std::max<int64_t>(int64_t(r.tokens.size()) - 1, 0);
  return fmt::format(
      "prompt {} tokens {:.1f}/s, generated {} tokens {:.1f}/s, KV cache {} ({:.0f} B/token, {}){}",
      r.n_prompt, rate(r.n_prompt, r.prompt_seconds), r.tokens.size(),
      rate(n_steps, r.decode_seconds), format_bytes(double(cache.used_bytes())),
      cache.bytes_per_token(), engine::cache_name(cache.spec()),
      r.context_full ? "; the context is full, a larger -c makes room" : "");
}

nlohmann::json run_fields(const engine::GenerateResult& r, const engine::KvCache& cache) {
  const int64_t n_steps = std::max<int64_t>(int64_t(r.tokens.size()) - 1, 0);
  return {{"n_prompt", r.n_prompt},
          {"n_generated", r.tokens.size()},
          {"prompt_tokens_per_second", rate(r.n_prompt, r.prompt_seconds)},
          {"generated_tokens_per_second", rate(n_steps, r.decode_seconds)},
          {"cache", engine::cache_name(cache.spec())},
          {"kv_bytes_per_token", cache.bytes_per_token()},
          {"bits_per_element", cache.bits_per_element()},
          {"kv_bytes_total", cache.used_bytes()},
          {"context_full", r.context_full}};
}

}  // namespace lowkey::apps
