#include <kestrel/engine/checkpoints/can_save.h>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include <fmt/format.h>

#include <kestrel/engine/checkpoints/checkpoint.h>
#include <kestrel/kernels/error.h>
#include <kestrel/tensor/file_descriptor.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

std::string megabytes(int64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

[[noreturn]] void refuse(const fs::path& folder, const std::string& reason) {
  fail<ModelFileError>("[train] ", folder.string(),
                       ": what is trained could not be saved: ", reason, "; nothing was trained");
}

/// A file that is there while this lives.
class Probe {
 public:
  explicit Probe(const fs::path& folder)
      : folder_(folder), path_(folder / fmt::format(".try_to_save.{}", ::getpid())) {
    fd_ = FileDescriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (fd_.get() < 0) refuse(folder, std::strerror(errno));
  }
  ~Probe() { ::unlink(path_.c_str()); }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  /// Reserves room, where the file system can: a quota shows here, not in what it says is free.
  void reserve(int64_t bytes) {
    struct statfs system {};
    // In memory it would be taken at once.
    if (::fstatfs(fd_.get(), &system) != 0 || system.f_type == TMPFS_MAGIC) return;
    if (::fallocate(fd_.get(), 0, 0, bytes) == 0) return;
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
      refuse(folder_,
             fmt::format("there is no room for {}: {}", megabytes(bytes), std::strerror(errno)));
    }
  }
  void rename() {
    const fs::path other = path_.string() + ".renamed";
    if (::write(fd_.get(), "x", 1) != 1 || ::fsync(fd_.get()) != 0 ||
        ::rename(path_.c_str(), other.c_str()) != 0) {
      refuse(folder_, std::strerror(errno));
    }
    path_ = other;
  }

 private:
  fs::path folder_;
  fs::path path_;
  FileDescriptor fd_;
};

int64_t size_of_file(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  return error ? 0 : static_cast<int64_t>(size);
}

}  // namespace

void check_can_save(const fs::path& folder, const SaveBytes& bytes) {
  const fs::path weights = folder / "weights";
  std::error_code error;
  fs::create_directories(weights, error);
  if (error) refuse(weights, error.message());
  Probe(weights).rename();
  Probe probe(folder);
  probe.rename();

  const int64_t largest = std::max(bytes.weights, bytes.resume);
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      static_cast<rlim_t>(largest) > limit.rlim_cur) {
    refuse(folder,
           fmt::format("files may have {} here (ulimit -f), and resume.safetensors needs {}",
                       megabytes(static_cast<int64_t>(limit.rlim_cur)), megabytes(largest)));
  }

  // A new file is complete before the old one goes.
  int64_t needed = largest;
  const fs::path resume = resume_file(folder);
  for (const auto& [file, size] :
       {std::pair(weights / "last.safetensors", bytes.weights),
        std::pair(weights / "best.safetensors", bytes.weights), std::pair(resume, bytes.resume),
        std::pair(previous_resume_file(resume), bytes.resume)}) {
    needed += std::max<int64_t>(0, size - size_of_file(file));
  }
  const fs::space_info space = fs::space(folder, error);
  if (!error && static_cast<int64_t>(space.available) < needed) {
    refuse(folder,
           fmt::format("{} are free there, and {} are needed: twice {} of weights, and three "
                       "times {} to go on from; make room, or choose another --out",
                       megabytes(static_cast<int64_t>(space.available)), megabytes(needed),
                       megabytes(bytes.weights), megabytes(bytes.resume)));
  }
  probe.reserve(needed);
}

}  // namespace kestrel
