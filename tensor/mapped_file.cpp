#include <kestrel/tensor/mapped_file.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kestrel/kernels/error.h>
#include <kestrel/tensor/file_descriptor.h>

namespace kestrel {
namespace {

/// Where the files that are mapped begin and end.
struct Mappings {
  std::mutex mutex;
  std::map<const std::byte*, const std::byte*> ends;
};

Mappings& mappings() {
  // Never destroyed: files of static storage may be closed after it otherwise.
  static auto* all = new Mappings;
  return *all;
}

}  // namespace

MappedFile::MappedFile(std::string_view what, const std::filesystem::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (fd.get() < 0 || ::fstat(fd.get(), &info) != 0) {
    fail<ModelFileError>("[", what, "] ", path.string(), ": ", std::strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    fail<ModelFileError>("[", what, "] ", path.string(), ": is not a file");
  }
  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) return;
  void* memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd.get(), 0);
  if (memory == MAP_FAILED) {
    fail<ModelFileError>("[", what, "] ", path.string(), ": ", std::strerror(errno));
  }
  bytes_ = {static_cast<const std::byte*>(memory), size};
  const std::lock_guard lock(mappings().mutex);
  mappings().ends[bytes_.data()] = bytes_.data() + size;
}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  const std::lock_guard lock(mappings().mutex);
  mappings().ends.erase(bytes_.data());
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void forget_mapped_pages(const void* memory, size_t bytes) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const auto first = (reinterpret_cast<uintptr_t>(memory) + page - 1) / page;
  const auto last = (reinterpret_cast<uintptr_t>(memory) + bytes) / page;
  if (first >= last) return;
  const auto* begin = static_cast<const std::byte*>(memory);
  const std::lock_guard lock(mappings().mutex);
  const auto after = mappings().ends.upper_bound(begin);
  if (after == mappings().ends.begin() || std::prev(after)->second < begin + bytes) return;
  // What the system says of each page; one that was written to is not the file's any more.
  constexpr uint64_t kPresent = uint64_t{1} << 63, kOfFile = uint64_t{1} << 61;
  const FileDescriptor pages(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  std::vector<uint64_t> flags(last - first);
  const size_t wanted = flags.size() * sizeof(uint64_t);
  if (pages.get() < 0 ||
      ::pread(pages.get(), flags.data(), wanted, static_cast<off_t>(first * sizeof(uint64_t))) !=
          static_cast<ssize_t>(wanted)) {
    return;
  }
  constexpr uint64_t kSwapped = uint64_t{1} << 62;
  for (const uint64_t flag : flags) {
    if ((flag & (kPresent | kSwapped)) != 0 && (flag & kOfFile) == 0) return;
  }
  std::byte* start =
      const_cast<std::byte*>(begin) + (first * page - reinterpret_cast<uintptr_t>(memory));
  ::madvise(start, (last - first) * page, MADV_DONTNEED);
}

}  // namespace kestrel
