#define XXH_INLINE_ALL
#include <xxhash.h>

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <memory>

#include <kestrel/data/datasets/coco_index_cache.h>
#include <kestrel/data/file.h>
#include <kestrel/kernels/parallel.h>
#include <kestrel/tensor/mapped_file.h>

namespace kestrel {
namespace {

// The file: this, then categories, images, objects, names, and the complaints' texts, each with a
// line end. In the order and size of this machine's numbers; magic and version say so.
struct CacheHeader {
  char magic[8];
  uint64_t version;
  FileStamp stamp;
  int64_t seen;
  uint64_t hash;
  uint64_t num_categories, num_images, num_objects, name_bytes, shown_bytes;
  int64_t complaints, dropped;
  uint64_t payload_hash;  // of all that follows the header
  uint64_t header_hash;   // of all that comes before
};
constexpr char kMagic[8] = {'K', 'E', 'S', 'T', 'R', 'E', 'L', 'I'};
constexpr uint64_t kVersion = 2;  // 1 had no ids that are text
static_assert(std::endian::native == std::endian::little);
static_assert(sizeof(CacheHeader) == 128 && sizeof(CocoIndex::Category) == 16 &&
              sizeof(CocoIndex::Image) == 48 && sizeof(CocoIndex::Object) == 56);

uint64_t header_hash(const CacheHeader& header) {
  return XXH3_64bits(&header, offsetof(CacheHeader, header_hash));
}

/// Cuts pieces off the front of the payload.
class Payload {
 public:
  explicit Payload(std::span<const std::byte> bytes) : rest_(bytes) {}
  /// Whether `count` elements were there.
  template <class T>
  bool take(uint64_t count, std::span<const T>& out) {
    if (count > rest_.size() / sizeof(T)) return false;
    out = {reinterpret_cast<const T*>(rest_.data()), count};
    rest_ = rest_.subspan(count * sizeof(T));
    return true;
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
};

std::vector<std::string> lines_of(std::span<const char> text) {
  std::vector<std::string> lines;
  for (auto at = text.begin(); at != text.end();) {
    const auto end = std::find(at, text.end(), '\n');
    lines.emplace_back(at, end);
    at = end == text.end() ? end : end + 1;
  }
  return lines;
}

/// Whether offsets lie within what they point into.
bool is_consistent(const CocoIndex& index) {
  uint64_t name = 0, object = 0;
  for (const auto& category : index.categories) {
    if (category.name_end < name || category.name_end > index.names.size()) return false;
    name = category.name_end;
  }
  for (const auto& image : index.images) {
    if (image.name_end < name || image.name_end > index.names.size()) return false;
    if (image.objects_end < object || image.objects_end > index.objects.size()) return false;
    if (image.width < 0 || image.width > kMaxImagePixels) return false;
    if (image.height < 0 || image.height > kMaxImagePixels) return false;
    name = image.name_end;
    object = image.objects_end;
  }
  for (const auto& image : index.images) {
    if (image.id_text_end < name || image.id_text_end > index.names.size()) return false;
    name = image.id_text_end;
  }
  return object == index.objects.size() && name == index.names.size() &&
         std::ranges::all_of(index.objects, [&](const CocoIndex::Object& o) {
           return o.category < index.categories.size() && std::isfinite(o.bbox[0]) &&
                  std::isfinite(o.bbox[1]) && std::isfinite(o.bbox[2]) && std::isfinite(o.bbox[3]);
         });
}

std::shared_ptr<const MappedFile> map_file(const std::filesystem::path& path) {
  try {
    return std::make_shared<const MappedFile>("coco", path);
  } catch (const Error&) {
    return nullptr;  // there is none
  }
}

void append(std::vector<std::byte>& out, const void* data, size_t bytes) {
  const auto* first = static_cast<const std::byte*>(data);
  out.insert(out.end(), first, first + bytes);
}

/// Within this time of a change, another one may bear the same time.
constexpr int64_t kClockSlack = 2'000'000'000;

}  // namespace

IndexKey current_key(const std::filesystem::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) {
    fail<DataError>("[coco] ", file.string(), ": ", std::strerror(errno));
  }
  const auto nanoseconds = [](const timespec& t) {
    return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  };
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return {.stamp = {static_cast<uint64_t>(info.st_size), nanoseconds(info.st_mtim),
                    nanoseconds(info.st_ctim)},
          .seen = nanoseconds(now)};
}

uint64_t content_hash(std::span<const std::byte> bytes) {
  constexpr int64_t kChunk = 16 << 20;
  const auto size = static_cast<int64_t>(bytes.size());
  std::vector<uint64_t> hashes(static_cast<size_t>((size + kChunk - 1) / kChunk));
  parallel_for(size, kChunk, [&](int64_t begin, int64_t end) {
    hashes[static_cast<size_t>(begin / kChunk)] =
        XXH3_64bits(bytes.data() + begin, static_cast<size_t>(end - begin));
  });
  return XXH3_64bits_withSeed(hashes.data(), hashes.size() * sizeof(uint64_t), bytes.size());
}

std::filesystem::path index_cache_path(const std::filesystem::path& annotations) {
  return annotations.string() + ".kestrel-index";
}

std::optional<CachedIndex> parse_index_cache(std::span<const std::byte> bytes) {
  CacheHeader header{};
  if (bytes.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const std::span<const std::byte> payload = bytes.subspan(sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 || header.version != kVersion ||
      header.header_hash != header_hash(header) || header.payload_hash != content_hash(payload)) {
    return std::nullopt;
  }
  CachedIndex out{.key = {header.stamp, header.seen, header.hash},
                  .complaints = header.complaints,
                  .dropped = header.dropped};
  std::span<const char> names, shown;
  Payload rest(payload);
  if (!rest.take(header.num_categories, out.index.categories) ||
      !rest.take(header.num_images, out.index.images) ||
      !rest.take(header.num_objects, out.index.objects) || !rest.take(header.name_bytes, names) ||
      !rest.take(header.shown_bytes, shown) || !rest.empty()) {
    return std::nullopt;
  }
  out.index.names = {names.data(), names.size()};
  if (!is_consistent(out.index) || out.complaints < 0 || out.dropped < 0) return std::nullopt;
  out.shown = lines_of(shown);
  return out;
}

std::vector<std::byte> encode_index_cache(const CachedIndex& cached) {
  const CocoIndex& index = cached.index;
  std::string shown;
  for (std::string line : cached.shown) {
    std::ranges::replace(line, '\n', ' ');
    shown += line + '\n';
  }
  std::vector<std::byte> out(sizeof(CacheHeader));
  out.reserve(sizeof(CacheHeader) + index.categories.size_bytes() + index.images.size_bytes() +
              index.objects.size_bytes() + index.names.size() + shown.size());
  append(out, index.categories.data(), index.categories.size_bytes());
  append(out, index.images.data(), index.images.size_bytes());
  append(out, index.objects.data(), index.objects.size_bytes());
  append(out, index.names.data(), index.names.size());
  append(out, shown.data(), shown.size());
  const CacheHeader header{.magic = {},
                           .version = kVersion,
                           .stamp = cached.key.stamp,
                           .seen = cached.key.seen,
                           .hash = cached.key.hash,
                           .num_categories = index.categories.size(),
                           .num_images = index.images.size(),
                           .num_objects = index.objects.size(),
                           .name_bytes = index.names.size(),
                           .shown_bytes = shown.size(),
                           .complaints = cached.complaints,
                           .dropped = cached.dropped,
                           .payload_hash = 0,
                           .header_hash = 0};
  std::memcpy(out.data(), &header, sizeof(header));
  correct_index_cache(out);
  return out;
}

void correct_index_cache(std::span<std::byte> bytes) {
  CacheHeader header{};
  if (bytes.size() < sizeof(header)) return;
  std::memcpy(&header, bytes.data(), sizeof(header));
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.payload_hash = content_hash(bytes.subspan(sizeof(header)));
  header.header_hash = header_hash(header);
  std::memcpy(bytes.data(), &header, sizeof(header));
}

std::optional<CachedIndex> read_index_cache(const std::filesystem::path& cache,
                                            const std::filesystem::path& annotations) {
  auto file = map_file(cache);
  if (file == nullptr) return std::nullopt;
  auto found = parse_index_cache(file->bytes());
  if (!found) return std::nullopt;
  found->index.memory = std::move(file);
  IndexKey now = current_key(annotations);
  if (now.stamp.size != found->key.stamp.size) return std::nullopt;
  const bool settled = found->key.seen - found->key.stamp.changed > kClockSlack;
  if (now.stamp == found->key.stamp && settled) return found;
  now.hash = content_hash(read_padded_file("coco", annotations, 0).bytes());
  if (now.hash != found->key.hash) return std::nullopt;
  found->key = now;
  write_index_cache(cache, *found);  // with the new stamp: the next time needs no hash
  return found;
}

void write_index_cache(const std::filesystem::path& cache, const CachedIndex& index) {
  try {
    write_file("coco", cache, encode_index_cache(index));
  } catch (const DataError&) {
    return;  // a folder that cannot be written, or a full disk
  }
}

}  // namespace kestrel
