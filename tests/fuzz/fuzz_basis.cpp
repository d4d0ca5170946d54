#include <cstdint>
#include <string>

#include "base/check.h"
#include "models/basis/basis.h"
#include "models/basis/layout.h"

// The hash would stop nearly every input at the door: it is put right first, so that the parser
// behind it meets the damage. What it accepts must survive a round trip.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lowkey::models;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (const auto at = basis::find_hash(bytes)) {
    bytes.replace(*at, basis::kHashDigits, basis::hash_of_file(bytes, *at));
  }
  const auto file = parse_basis(bytes, "fuzz");
  if (!file.ok()) return 0;
  const auto again = serialise_basis(*file);
  LK_CHECK(again.ok(), "an accepted file can be written");
  LK_CHECK(parse_basis(*again, "again").ok(), "and read again");
  return 0;
}
