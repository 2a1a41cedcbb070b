// The index cache beside COCO annotations. As it comes, and with checksums made right, so that what
// the numbers say is looked at too.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <kestrel/data/datasets/coco_index_cache.h>

using namespace kestrel;

namespace {

void read(std::span<const std::byte> bytes) {
  const auto found = parse_index_cache(bytes);
  if (!found) return;
  const CocoIndex& index = found->index;
  size_t length = 0;
  for (size_t i = 0; i < index.images.size(); ++i)
    length += index.image_name(i).size() + index.image_id_text(i).size();
  for (size_t i = 0; i < index.categories.size(); ++i) length += index.category_name(i).size();
  for (const auto& object : index.objects) length += index.category_name(object.category).size();
  [[maybe_unused]] const volatile size_t looked_at = length;
  // What was read can be written and read again.
  if (!parse_index_cache(encode_index_cache(*found))) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto given = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(given.begin(), given.end());
  read(bytes);
  correct_index_cache(bytes);
  read(bytes);
  return 0;
}
