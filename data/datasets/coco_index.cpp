#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <kestrel/data/datasets/coco_index.h>
#include <kestrel/data/datasets/coco_index_cache.h>
#include <kestrel/data/file.h>

namespace kestrel {
namespace {

struct Arrays {
  std::vector<CocoIndex::Category> categories;
  std::vector<CocoIndex::Image> images;
  std::vector<CocoIndex::Object> objects;
  std::string names;
};

constexpr uint32_t kNone = 0xFFFFFFFF;

/// From ids to places in the index.
class Places {
 public:
  /// False where the id is there already.
  bool add(int64_t id, size_t place) {
    return by_id_.emplace(id, static_cast<uint32_t>(place)).second;
  }
  /// To be called when all are added: ids that lie close together are looked up in a table.
  void finish() {
    if (by_id_.empty()) return;
    const auto [least, most] =
        std::ranges::minmax_element(by_id_, {}, [](const auto& entry) { return entry.first; });
    first_ = least->first;
    const uint64_t range = static_cast<uint64_t>(most->first) - static_cast<uint64_t>(first_);
    if (range > 16 * by_id_.size()) return;
    table_.assign(range + 1, kNone);
    for (const auto& [id, place] : by_id_) table_[static_cast<uint64_t>(id - first_)] = place;
  }
  uint32_t find(int64_t id) const {
    if (!table_.empty()) {
      const uint64_t at = static_cast<uint64_t>(id) - static_cast<uint64_t>(first_);
      return at < table_.size() ? table_[at] : kNone;
    }
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? kNone : found->second;
  }

 private:
  std::unordered_map<int64_t, uint32_t> by_id_;
  int64_t first_ = 0;
  std::vector<uint32_t> table_;
};

/// The numbers of text ids: after the largest of the others, in the order of the texts.
std::vector<int64_t> number_texts(const CocoTextIds& ids, int64_t largest) {
  std::vector<int64_t> numbers;
  for (const size_t rank : ids.ranks()) numbers.push_back(largest + 1 + static_cast<int64_t>(rank));
  return numbers;
}

/// The largest id of the items that is a number; 0 where none is above.
template <class Item>
int64_t largest_number(const std::vector<Item>& items) {
  int64_t largest = 0;
  for (const Item& item : items) largest = std::max(largest, item.id);
  return std::min(largest, std::numeric_limits<int64_t>::max() - (int64_t{1} << 40));
}

/// Whether no two annotations have the same id.
bool have_distinct_ids(const std::vector<CocoFile::Record>& annotations) {
  std::vector<int64_t> ids(annotations.size());
  std::ranges::transform(annotations, ids.begin(), &CocoFile::Record::id);
  std::ranges::sort(ids);
  return std::ranges::adjacent_find(ids) == ids.end();
}

Places add_categories(const CocoFile& file, Arrays& arrays, Complaints& complaints) {
  Places places;
  for (const auto& [id, name] : file.categories) {
    if (!places.add(id, arrays.categories.size())) {
      complaints.dropped("category ", id, " '", name, "' has the id of an earlier category");
      continue;
    }
    arrays.names += name;
    arrays.categories.push_back({id, arrays.names.size()});
  }
  places.finish();
  return places;
}

Places add_images(const CocoFile& file, Arrays& arrays, Complaints& complaints) {
  Places places;
  arrays.images.reserve(file.images.size());
  const std::vector<int64_t> numbers = number_texts(file.image_ids, largest_number(file.images));
  std::string id_texts;
  for (const ImageInfo& image : file.images) {
    if (!places.add(image.id, arrays.images.size())) {
      complaints.dropped("image ", file.image_ids.describe(image.id), " (", image.file,
                         ") has the id of an earlier image");
      continue;
    }
    arrays.names += image.file;
    int64_t id = image.id;
    if (CocoTextIds::is_text(id)) {
      id_texts += file.image_ids.text(id);
      id = numbers[CocoTextIds::place(id)];
    }
    arrays.images.push_back(
        {id, image.width, image.height, arrays.names.size(), 0, id_texts.size()});
  }
  for (CocoIndex::Image& image : arrays.images) image.id_text_end += arrays.names.size();
  arrays.names += id_texts;
  places.finish();
  return places;
}

/// "; there is '7', whose id is text": pycocotools and others do not take one for the other.
std::string other_kind(int64_t id, const CocoFile& file, const Places& images) {
  if (CocoTextIds::is_text(id)) {
    const std::string& text = file.image_ids.text(id);
    const bool number = !text.empty() && text.size() < 18 &&
                        std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
    if (!number || images.find(std::stoll(text)) == kNone) return {};
    return " with text as its id, but one with the number " + std::to_string(std::stoll(text));
  }
  const auto text = file.image_ids.find(std::to_string(id));
  if (!text || images.find(*text) == kNone) return {};
  return " with a number as its id, but one with the text '" + std::to_string(id) + "'";
}

/// The image of every annotation, kNone for those that are left out.
std::vector<uint32_t> find_images(const CocoFile& file, const Places& images,
                                  const Places& categories, Complaints& complaints) {
  std::vector<uint32_t> found(file.annotations.size(), kNone);
  const bool distinct = have_distinct_ids(file.annotations);
  std::unordered_set<int64_t> seen;
  for (size_t i = 0; i < found.size(); ++i) {
    const CocoFile::Record& r = file.annotations[i];
    const auto describe = [&] {
      return "annotation " + file.annotation_ids.describe(r.id) + " of image " +
             file.image_ids.describe(r.image_id);
    };
    const uint32_t image = images.find(r.image_id);
    if (image == kNone) {
      complaints.dropped(describe(), ": there is no such image",
                         other_kind(r.image_id, file, images));
      continue;
    }
    if (categories.find(r.category_id) == kNone) {
      complaints.dropped(describe(), " has category_id ", r.category_id,
                         ", which is not among the categories");
      continue;
    }
    if (!distinct && !seen.insert(r.id).second) {
      complaints.note(describe(), " has the id of an earlier annotation");
    }
    found[i] = image;
  }
  return found;
}

CocoIndex::Object object_of(const CocoFile::Record& r, const Places& categories) {
  return {.id = r.id,
          .bbox = r.bbox,
          .area = r.area,
          .category = categories.find(r.category_id),
          .crowd = r.crowd,
          .ignore = r.ignore};
}

}  // namespace

std::string_view CocoIndex::category_name(size_t index) const {
  const uint64_t begin = index == 0 ? 0 : categories[index - 1].name_end;
  return names.substr(begin, categories[index].name_end - begin);
}

std::string_view CocoIndex::image_name(size_t index) const {
  const uint64_t first = categories.empty() ? 0 : categories.back().name_end;
  const uint64_t begin = index == 0 ? first : images[index - 1].name_end;
  return names.substr(begin, images[index].name_end - begin);
}

std::string_view CocoIndex::image_id_text(size_t index) const {
  const uint64_t begin = index == 0 ? images.back().name_end : images[index - 1].id_text_end;
  return names.substr(begin, images[index].id_text_end - begin);
}

CocoIndex make_coco_index(CocoFile file, Complaints& complaints) {
  auto arrays = std::make_shared<Arrays>();
  const Places categories = add_categories(file, *arrays, complaints);
  const Places images = add_images(file, *arrays, complaints);
  const std::vector<uint32_t> image_of = find_images(file, images, categories, complaints);

  const std::vector<int64_t> numbers =
      number_texts(file.annotation_ids, largest_number(file.annotations));
  for (CocoFile::Record& r : file.annotations) {
    if (CocoTextIds::is_text(r.id)) r.id = numbers[CocoTextIds::place(r.id)];
  }

  // Where the next object of each image goes: the annotations keep their order within an image.
  std::vector<uint64_t> next(arrays->images.size());
  for (const uint32_t image : image_of) {
    if (image != kNone) ++arrays->images[image].objects_end;
  }
  uint64_t count = 0;
  for (size_t i = 0; i < next.size(); ++i) {
    next[i] = count;
    count = arrays->images[i].objects_end += count;
  }
  CocoIndex index;
  arrays->objects.resize(count);
  if (!file.segmentations.empty()) index.segmentations.resize(count);
  for (size_t i = 0; i < image_of.size(); ++i) {
    if (image_of[i] == kNone) continue;
    const uint64_t place = next[image_of[i]]++;
    arrays->objects[place] = object_of(file.annotations[i], categories);
    if (!file.segmentations.empty()) index.segmentations[place] = std::move(file.segmentations[i]);
  }
  index.categories = arrays->categories;
  index.images = arrays->images;
  index.objects = arrays->objects;
  index.names = arrays->names;
  index.memory = std::move(arrays);
  return index;
}

CocoIndex load_coco_index(const std::string& path, bool with_mask, bool cache,
                          Complaints& complaints) {
  const std::filesystem::path beside = index_cache_path(path);
  const bool cached = cache && !with_mask;
  if (cached) {
    // With complaints, strict reading has to come upon the first of them itself.
    auto found = read_index_cache(beside, path);
    if (found && !(complaints.strict() && found->complaints > 0)) {
      complaints.repeat(found->shown, found->complaints, found->dropped);
      return std::move(found->index);
    }
  }
  IndexKey key;
  if (cached) key = current_key(path);
  CocoFile file;
  size_t size = 0;
  {
    const PaddedFile json = read_padded_file("coco", path, kJsonPadding);
    size = json.size;
    file = parse_coco_file({reinterpret_cast<const char*>(json.data.get()), size}, path, with_mask,
                           complaints);
    if (cached && size >= kSmallestCachedFile) key.hash = content_hash(json.bytes());
  }
  CocoIndex index = make_coco_index(std::move(file), complaints);
  if (cached && size >= kSmallestCachedFile && size == key.stamp.size) {
    const CachedIndex whole{.key = key,
                            .index = index,
                            .shown = complaints.shown(),
                            .complaints = complaints.count(),
                            .dropped = complaints.num_dropped()};
    write_index_cache(beside, whole);
  }
  return index;
}

}  // namespace kestrel
