#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <unistd.h>

#include <kestrel/data/file.h>
#include <kestrel/kernels/error.h>
#include <kestrel/tensor/text.h>

namespace kestrel {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

[[noreturn]] void fail_read(std::string_view what, const std::filesystem::path& path) {
  fail<DataError>("[", what, "] ", path.string(), ": reading failed: ", std::strerror(errno));
}

File open_file(std::string_view what, const std::filesystem::path& path) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) {
    fail<DataError>("[", what, "] ", path.string(), ": is a directory, not a file");
  }
  File file(std::fopen(path.c_str(), "rb"));
  if (!file) fail<DataError>("[", what, "] ", path.string(), ": ", std::strerror(errno));
  return file;
}

}  // namespace

std::vector<std::byte> read_file(std::string_view what, const std::filesystem::path& path) {
  const File file = open_file(what, path);
  std::error_code code;
  const auto size = std::filesystem::file_size(path, code);
  std::vector<std::byte> bytes(code ? 0 : size);
  size_t got = bytes.empty() ? 0 : std::fread(bytes.data(), 1, bytes.size(), file.get());
  bytes.resize(got);
  // Pipes and the like have no size beforehand; regular files end here.
  for (std::byte more[4096]; (got = std::fread(more, 1, sizeof(more), file.get())) > 0;) {
    bytes.insert(bytes.end(), more, more + got);
  }
  if (std::ferror(file.get())) fail_read(what, path);
  return bytes;
}

PaddedFile read_padded_file(std::string_view what, const std::filesystem::path& path,
                            size_t padding) {
  const File file = open_file(what, path);
  std::error_code code;
  const auto size = std::filesystem::file_size(path, code);
  if (code) fail<DataError>("[", what, "] ", path.string(), ": ", code.message());
  PaddedFile out;
  out.data = std::make_unique_for_overwrite<std::byte[]>(size + padding);
  out.size = std::fread(out.data.get(), 1, size, file.get());
  if (std::ferror(file.get())) fail_read(what, path);
  std::memset(out.data.get() + out.size, 0, padding);
  return out;
}

std::vector<std::byte> read_file_start(std::string_view what, const std::filesystem::path& path,
                                       size_t count) {
  const File file = open_file(what, path);
  std::vector<std::byte> bytes(count);
  bytes.resize(std::fread(bytes.data(), 1, count, file.get()));
  if (std::ferror(file.get())) fail_read(what, path);
  return bytes;
}

std::vector<std::string> read_lines(std::string_view what, const std::filesystem::path& path) {
  const auto bytes = read_file(what, path);
  const DecodedText decoded =
      decode_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const std::string_view text = decoded.text;
  // Bytes that are not UTF-8 may be those of file names, which can be any.
  if (!decoded.problem.empty() && is_utf8(text)) {
    fail<DataError>("[", what, "] ", path.string(), ": ", decoded.problem);
  }
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    const size_t first = line.find_first_not_of(" \t\r");
    if (first != std::string_view::npos) {
      line = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
      lines.emplace_back(line);
    }
    begin = end + 1;
  }
  return lines;
}

void write_file(std::string_view what, const std::filesystem::path& path,
                std::span<const std::byte> bytes) {
  std::error_code code;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), code);
  // What is no regular file, such as /dev/null, is written to, not replaced.
  const bool special =
      std::filesystem::exists(path, code) && !std::filesystem::is_regular_file(path, code);
  const std::string partial =
      special ? path.string() : path.string() + "." + std::to_string(::getpid()) + ".part";
  bool written = false;
  if (std::FILE* file = std::fopen(partial.c_str(), "wb")) {
    written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
    written = std::fclose(file) == 0 && written;
  }
  if (!written) {
    const int reason = errno;
    if (!special) std::remove(partial.c_str());
    fail<DataError>("[", what, "] ", path.string(), ": cannot be written: ", std::strerror(reason));
  }
  if (special) return;
  std::filesystem::rename(partial, path, code);
  if (code) fail<DataError>("[", what, "] ", path.string(), ": ", code.message());
}

}  // namespace kestrel
