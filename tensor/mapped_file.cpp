#include <kestrel/tensor/mapped_file.h>

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <kestrel/kernels/error.h>
#include <kestrel/tensor/file_descriptor.h>

namespace kestrel {

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
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (memory == MAP_FAILED) {
    fail<ModelFileError>("[", what, "] ", path.string(), ": ", std::strerror(errno));
  }
  bytes_ = {static_cast<const std::byte*>(memory), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace kestrel
