// Preloaded into a program (LD_PRELOAD), makes one of its operations on checkpoint files fail, or
// ends the process there. Operations on *.safetensors* files and on folders are counted from 1:
//
//   KESTREL_FAULT=<n>:<kind>[:always]   the n-th, or every one from there on; kind is ENOSPC, EIO,
//                                       short (half of a write, then ENOSPC) or kill
//   KESTREL_FAULT_LOG=<file>            a line "<n> <operation> <path> [<new path>]" for each
//   KESTREL_FREE_BYTES=<n>              what every file system says is free

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

namespace {

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

class Faults {
 public:
  static Faults& instance() {
    static auto* faults = new Faults;  // Files are closed until the very end.
    return *faults;
  }

  /// The error of this operation, 0 for none; `half_done` is done before the process is killed.
  template <class HalfDone>
  int at(const char* operation, const std::string& path, bool is_write, HalfDone half_done) {
    const std::lock_guard lock(mutex_);
    ++count_;
    log(operation, path);
    const bool hit = at_ > 0 && (always_ ? count_ >= at_ : count_ == at_);
    // The bytes that a short write left out do not fit either.
    const bool rest = is_write && rest_missing_;
    rest_missing_ = false;
    if (!hit && !rest) return 0;
    if (kind_ == "kill") {
      half_done();
      ::kill(::getpid(), SIGKILL);
    }
    if (kind_ == "short" && is_write && !rest) {
      rest_missing_ = true;
      return kShort;
    }
    return kind_ == "EIO" ? EIO : ENOSPC;
  }

  void opened(int fd, const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (fd >= 0) paths_[fd] = path;
  }
  /// "" for a file that is not watched.
  std::string path_of(int fd) {
    const std::lock_guard lock(mutex_);
    const auto found = paths_.find(fd);
    return found == paths_.end() ? "" : found->second;
  }
  void closed(int fd) {
    const std::lock_guard lock(mutex_);
    paths_.erase(fd);
  }

  static constexpr int kShort = -1;

 private:
  Faults() {
    if (const char* fault = std::getenv("KESTREL_FAULT")) {
      const std::string text = fault;
      const size_t colon = text.find(':');
      at_ = std::atol(text.c_str());
      kind_ = text.substr(colon + 1, text.find(':', colon + 1) - colon - 1);
      always_ = text.ends_with(":always");
    }
    if (const char* file = std::getenv("KESTREL_FAULT_LOG")) {
      log_ = static_cast<int>(
          ::syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    }
  }

  void log(const char* operation, const std::string& path) const {
    if (log_ < 0) return;
    const std::string line = std::to_string(count_) + ' ' + operation + ' ' + path + '\n';
    ::syscall(SYS_write, log_, line.data(), line.size());
  }

  std::mutex mutex_;
  std::map<int, std::string> paths_;
  std::string kind_;
  long at_ = 0;
  long count_ = 0;
  bool always_ = false;
  bool rest_missing_ = false;
  int log_ = -1;
};

bool is_watched(const char* path, int flags) {
  return std::strstr(path, ".safetensors") || (flags & O_DIRECTORY);
}

int fail_with(int error) {
  errno = error;
  return -1;
}

int open_file(const char* name, const char* path, int flags, mode_t mode) {
  auto* real = next<int(const char*, int, ...)>(name);
  if (!is_watched(path, flags)) return real(path, flags, mode);
  Faults& faults = Faults::instance();
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  if (const int error = faults.at(writes ? "create" : "open", path, false, [] {})) {
    return fail_with(error == Faults::kShort ? ENOSPC : error);
  }
  const int fd = real(path, flags, mode);
  faults.opened(fd, path);
  return fd;
}

mode_t mode_of(int flags, va_list arguments) {
  return flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_file("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_file("open64", path, flags, mode);
}

ssize_t write(int fd, const void* data, size_t size) {
  auto* real = next<ssize_t(int, const void*, size_t)>("write");
  Faults& faults = Faults::instance();
  const std::string path = faults.path_of(fd);
  if (path.empty()) return real(fd, data, size);
  const auto half = [&] { return real(fd, data, size / 2); };
  const int error = faults.at("write", path, true, half);
  if (error == Faults::kShort) return half();
  return error ? fail_with(error) : real(fd, data, size);
}

int fsync(int fd) {
  Faults& faults = Faults::instance();
  const std::string path = faults.path_of(fd);
  const int error = path.empty() ? 0 : faults.at("fsync", path, false, [] {});
  return error ? fail_with(error) : next<int(int)>("fsync")(fd);
}

int close(int fd) {
  auto* real = next<int(int)>("close");
  Faults& faults = Faults::instance();
  const std::string path = faults.path_of(fd);
  if (path.empty()) return real(fd);
  const int error = faults.at("close", path, false, [] {});
  faults.closed(fd);
  const int result = real(fd);  // Linux closes it in any case.
  return error ? fail_with(error) : result;
}

int statvfs(const char* path, struct statvfs* result) {
  const int status = next<int(const char*, struct statvfs*)>("statvfs")(path, result);
  if (const char* bytes = std::getenv("KESTREL_FREE_BYTES")) {
    result->f_bfree = result->f_bavail =
        static_cast<fsblkcnt_t>(std::atoll(bytes)) / result->f_frsize;
  }
  return status;
}

int rename(const char* from, const char* to) {
  Faults& faults = Faults::instance();
  const bool watched = std::strstr(from, ".safetensors");
  const int error = watched ? faults.at("rename", std::string(from) + ' ' + to, false, [] {}) : 0;
  return error ? fail_with(error) : next<int(const char*, const char*)>("rename")(from, to);
}

}  // extern "C"
