#include <kestrel/engine/records/output_file.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <zlib.h>

#include <kestrel/data/file.h>
#include <kestrel/kernels/error.h>
#include <kestrel/tensor/pth.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = "result made by Kestrel";

std::string big_endian(size_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> 8 * i & 0xff);
  return text;
}

/// A JPEG's comment, to stand behind its first marker.
std::string jpeg_comment() {
  return "\xFF\xFE" + big_endian(kMark.size() + 2, 2) + std::string(kMark);
}

/// A PNG's text, to stand behind its header.
std::string png_comment() {
  const std::string body = std::string("tEXtSoftware") + '\0' + std::string(kMark);
  const uLong crc =
      ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(body.size() - 4, 4) + body + big_endian(crc, 4);
}

std::string start_of(const fs::path& file, size_t count) {
  const auto bytes = read_file_start("output", file, count);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_of_kind(const fs::path& file, OutputKind kind) {
  const std::string start = start_of(file, 512);
  if (start.empty()) return true;
  switch (kind) {
    case OutputKind::Picture:
      return start.find(kMark) != std::string::npos;
    case OutputKind::Results: {
      const size_t first = start.find_first_not_of(" \t\r\n");
      if (first == std::string::npos || start[first] != '[') return false;
      return start.find("\"score\"") != std::string::npos ||
             start.find_first_not_of(" \t\r\n", first + 1) == start.find(']');
    }
    case OutputKind::Weights:
      return is_pth(std::as_bytes(std::span(start))) || (start.size() > 8 && start[8] == '{');
  }
  return false;
}

const char* name_of(OutputKind kind) {
  return kind == OutputKind::Picture   ? "a picture that Kestrel made"
         : kind == OutputKind::Results ? "a file of results"
                                       : "a file of weights";
}

}  // namespace

void check_output(const char* who, const fs::path& out, OutputKind kind,
                  std::span<const fs::path> sources) {
  std::error_code error;
  if (!fs::exists(out, error)) return;
  if (fs::is_directory(out, error)) {
    fail<UsageError>("[", who, "] ", out.string(), " is a folder; name a file to write");
  }
  for (const fs::path& source : sources) {
    if (fs::equivalent(out, source, error) && !error) {
      fail<UsageError>("[", who, "] ", out.string(), " is a file that is read, ", source.string(),
                       ", and would be overwritten; choose another --out");
    }
  }
  if (!fs::is_regular_file(out, error)) return;  // /dev/null, or a pipe
  if (!is_of_kind(out, kind)) {
    fail<UsageError>("[", who, "] ", out.string(), " is there already and is not ", name_of(kind),
                     ": it is not overwritten; choose another name, or remove it");
  }
}

void write_result_picture(const fs::path& path, const Image& image) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool png = extension == ".png";
  if (!png && extension != ".jpg" && extension != ".jpeg") {
    fail<UsageError>("[image] ", path.string(), ": cannot write '", extension,
                     "'; use .jpg or .png");
  }
  std::vector<std::byte> bytes = png ? encode_png(image) : encode_jpeg(image);
  const std::string comment = png ? png_comment() : jpeg_comment();
  constexpr std::ptrdiff_t kPngHeader = 8 + 12 + 13, kJpegMarker = 2;
  const auto* first = reinterpret_cast<const std::byte*>(comment.data());
  bytes.insert(bytes.begin() + (png ? kPngHeader : kJpegMarker), first, first + comment.size());
  write_file("image", path, bytes);
}

}  // namespace kestrel
