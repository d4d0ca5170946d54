// Streams one member out of a Python wheel (a zip archive). The only door to libzip.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/function_ref.h"
#include "base/result.h"

namespace lowkey::apps {

/// Calls sink(bytes) with the content of `member`, piece by piece and in order; stops at its first
/// error. kInvalidData if the archive is damaged, lacks the member, or the member claims more than
/// `limit` bytes.
Status read_wheel_member(const std::string& wheel, const std::string& member, int64_t limit,
                         FunctionRef<Status(std::span<const std::byte>)> sink);

}  // namespace lowkey::apps
