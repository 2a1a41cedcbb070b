#include <kestrel/data/datasets/part.h>

#include <cstdint>
#include <span>

#include <kestrel/kernels/error.h>
#include <kestrel/kernels/fnv1a.h>

namespace kestrel {

double name_share(std::string_view path) {
  const size_t slash = path.find_last_of('/');
  std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  const size_t dot = name.find_last_of('.');
  if (dot != std::string_view::npos && dot > 0) name = name.substr(0, dot);
  uint64_t hash = fnv1a(std::as_bytes(std::span(name)));
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
  hash ^= hash >> 33;
  return static_cast<double>(hash >> 11) * 0x1p-53;
}

void check_part(const PartOptions& options) {
  if (!options.part.empty() && options.part != "train" && options.part != "val") {
    fail<UsageError>("[data] part must be train, val or empty, got '", options.part, "'");
  }
  if (!(options.val_share > 0 && options.val_share < 1)) {
    fail<UsageError>("[data] val_share must be between 0 and 1, got ", options.val_share);
  }
}

}  // namespace kestrel
