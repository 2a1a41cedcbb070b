#include <kestrel/tensor/atomic_file.h>

#include <cerrno>
#include <cstring>

#include <fcntl.h>

#include <kestrel/kernels/error.h>

namespace kestrel {

AtomicFile::AtomicFile(std::string_view what, std::filesystem::path path)
    : what_(what),
      path_(std::move(path)),
      part_(path_.string() + ".part"),
      fd_(::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
  if (fd_.get() < 0) fail_with(errno);
  std::error_code error;
  if (std::filesystem::exists(path_, error) && !std::filesystem::is_regular_file(path_, error)) {
    ::unlink(part_.c_str());
    fail<ModelFileError>("[", what_, "] writing ", path_.string(), ": it is no regular file");
  }
}

AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(part_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_with(written < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_.get()) != 0 || ::close(fd_.release()) != 0 ||
      ::rename(part_.c_str(), path_.c_str()) != 0) {
    fail_with(errno);
  }
  committed_ = true;
  const std::filesystem::path parent = path_.has_parent_path() ? path_.parent_path() : ".";
  const FileDescriptor folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some network file systems have nothing to sync for a folder, and say EINVAL.
  if (folder.get() < 0 || (::fsync(folder.get()) != 0 && errno != EINVAL)) fail_with(errno);
}

void AtomicFile::fail_with(int error) const {
  fail<ModelFileError>("[", what_, "] writing ", path_.string(), ": ", std::strerror(error));
}

}  // namespace kestrel
