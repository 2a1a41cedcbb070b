// COCO annotations as the data set reads them, with masks, and put in order.
#include <cstring>
#include <memory>

#include <kestrel/data/datasets/coco_index.h>
#include <kestrel/tensor/text.h>

using namespace kestrel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto text = std::make_unique<char[]>(size + kJsonPadding);
  std::memcpy(text.get(), data, size);
  Complaints complaints("[fuzz]", false);
  try {
    CocoFile file = parse_coco_file({text.get(), size}, "fuzz", true, complaints);
    const CocoIndex index = make_coco_index(std::move(file), complaints);
    size_t length = 0;
    for (size_t i = 0; i < index.images.size(); ++i)
      length += index.image_name(i).size() + index.image_id_text(i).size();
    for (size_t i = 0; i < index.categories.size(); ++i) length += index.category_name(i).size();
    if (length != index.names.size()) __builtin_trap();
    if (!is_utf8(index.names)) __builtin_trap();  // names of classes are saved
    if (!index.segmentations.empty() && index.segmentations.size() != index.objects.size()) {
      __builtin_trap();
    }
  } catch (const DataError&) {
  }
  return 0;
}
