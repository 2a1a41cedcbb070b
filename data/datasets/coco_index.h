#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <kestrel/data/datasets/coco_file.h>

namespace kestrel {

/// What a COCO annotation file says, checked and in order: every annotation lies with its image and
/// knows its category. Plain arrays, so that coco_index_cache can write them and map them again.
struct CocoIndex {
  struct Category {
    int64_t id = 0;
    uint64_t name_end = 0;  ///< In `names`; it begins where the one before ends, the first at 0.
  };
  struct Image {
    int64_t id = 0;
    int64_t width = 0, height = 0;  ///< 0 where the file does not say.
    uint64_t name_end = 0;          ///< In `names`, after the names of the categories.
    uint64_t objects_end = 0;       ///< In `objects`; they begin where those before end.
    uint64_t id_text_end = 0;       ///< In `names`, after all names: the id where it is text.
  };
  struct Object {
    int64_t id = 0;
    std::array<double, 4> bbox{};  ///< x, y, width, height.
    double area = 0;               ///< NaN where the file does not say.
    uint32_t category = 0;         ///< Index into `categories`.
    uint16_t crowd = 0, ignore = 0;
  };

  std::span<const Category> categories;  ///< In the order of the file, as are the images.
  std::span<const Image> images;
  std::span<const Object> objects;
  std::string_view names;
  /// Of the objects; empty unless asked for.
  std::vector<std::shared_ptr<const Segmentation>> segmentations;
  /// Keeps what the spans refer to.
  std::shared_ptr<const void> memory;

  std::string_view category_name(size_t index) const;
  std::string_view image_name(size_t index) const;
  /// An id that the file has as text; its number is then the image's own. Empty for others.
  std::string_view image_id_text(size_t index) const;
};

/// Puts a file together. Ids that are text are numbered after the largest number, in the order of
/// the texts, which is that of an evaluation. Entries with an id that was there before, and
/// annotations of unknown images or categories, are reported and left out.
CocoIndex make_coco_index(CocoFile file, Complaints& complaints);

/// Reads an annotation file, or, where that is as good, the cache beside it, which is written if it
/// is missing, stale or damaged and the file is worth it. Not with masks, which are not in it, and
/// not with `cache` false. Where the folder cannot be written the cache is done without.
CocoIndex load_coco_index(const std::string& path, bool with_mask, bool cache,
                          Complaints& complaints);

}  // namespace kestrel
