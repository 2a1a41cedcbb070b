#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <kestrel/data/datasets/coco_index.h>

namespace kestrel {

/// Smaller annotation files are parsed as quickly as a cache is opened.
inline constexpr size_t kSmallestCachedFile = 1 << 20;

/// What the file system knows of a file; the times in nanoseconds since 1970.
struct FileStamp {
  uint64_t size = 0;
  int64_t modified = 0;  ///< Of the content, as a program may also set it.
  int64_t changed = 0;   ///< Of content or attributes, which only the system sets.
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

/// Which state of an annotation file an index is of.
struct IndexKey {
  FileStamp stamp;
  int64_t seen = 0;   ///< When the stamp was taken, in nanoseconds since 1970.
  uint64_t hash = 0;  ///< content_hash of the file.
};

/// The stamp now, no hash. Throws DataError where there is no such file.
IndexKey current_key(const std::filesystem::path& file);

struct CachedIndex {
  IndexKey key;
  CocoIndex index;                 ///< Refers to the bytes that it was parsed from.
  std::vector<std::string> shown;  ///< Complaints of the reading, as told.
  int64_t complaints = 0, dropped = 0;
};

/// 64 bits that no accident leaves as they were (XXH3), on all threads.
uint64_t content_hash(std::span<const std::byte> bytes);

/// instances_train2017.json -> instances_train2017.json.kestrel-index
std::filesystem::path index_cache_path(const std::filesystem::path& annotations);

/// What the bytes of a cache hold, which begin at a multiple of 8; nothing where they are not a
/// cache of this version, damaged, or contradict themselves.
std::optional<CachedIndex> parse_index_cache(std::span<const std::byte> bytes);
std::vector<std::byte> encode_index_cache(const CachedIndex& index);
/// Gives bytes, where they are enough, the magic and checksums that parse_index_cache wants: for
/// tests of what it looks at then.
void correct_index_cache(std::span<std::byte> bytes);

/// Maps the cache if it is of the annotation file as it is now: of the same size, and unchanged
/// since by the system's clock, or else of the same hash.
std::optional<CachedIndex> read_index_cache(const std::filesystem::path& cache,
                                            const std::filesystem::path& annotations);
/// Atomically. Where it cannot be written nothing happens.
void write_index_cache(const std::filesystem::path& cache, const CachedIndex& index);

}  // namespace kestrel
