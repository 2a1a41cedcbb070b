#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include <kestrel/data/codecs/codecs.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace codecs {
namespace {

// What libpng's callbacks share with us. libpng reports errors by longjmp, so nothing with a
// destructor lives in the functions that it jumps out of.
struct ReadState {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const std::byte* data = nullptr;
  size_t size = 0, at = 0;
  char reason[128] = "unknown reason";
  png_uint_32 width = 0, height = 0;
  uint8_t* pixels = nullptr;

  ~ReadState() { png_destroy_read_struct(&png, &info, nullptr); }
};

void on_error(png_structp png, png_const_charp text) {
  auto* state = static_cast<ReadState*>(png_get_error_ptr(png));
  std::strncpy(state->reason, text, sizeof(state->reason) - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep out, png_size_t count) {
  auto* state = static_cast<ReadState*>(png_get_io_ptr(png));
  if (count > state->size - state->at) png_error(png, "the file is cut short");
  std::memcpy(out, state->data + state->at, count);
  state->at += count;
}

bool read_header(ReadState& s) {
  s.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, on_error, on_warning);
  if (s.png == nullptr) return false;
  s.info = png_create_info_struct(s.png);
  if (s.info == nullptr || setjmp(png_jmpbuf(s.png)) != 0) return false;
  png_set_user_limits(s.png, 1 << 20, 1 << 20);
  png_set_chunk_malloc_max(s.png, 64 << 20);
  png_set_read_fn(s.png, &s, read_bytes);
  png_read_info(s.png, s.info);
  s.width = png_get_image_width(s.png, s.info);
  s.height = png_get_image_height(s.png, s.info);
  return true;
}

// Any colour type to 8-bit RGB, without gamma, as OpenCV does.
bool read_pixels(ReadState& s) {
  if (setjmp(png_jmpbuf(s.png)) != 0) return false;
  png_set_expand(s.png);
  png_set_strip_16(s.png);
  png_set_gray_to_rgb(s.png);
  png_set_strip_alpha(s.png);
  const int passes = png_set_interlace_handling(s.png);
  png_read_update_info(s.png, s.info);
  const size_t stride = size_t{s.width} * 3;
  if (png_get_rowbytes(s.png, s.info) != stride) png_error(s.png, "unknown pixel layout");
  for (int pass = 0; pass < passes; ++pass) {
    for (png_uint_32 y = 0; y < s.height; ++y) png_read_row(s.png, s.pixels + y * stride, nullptr);
  }
  png_read_end(s.png, nullptr);
  return true;
}

void open(ReadState& state, Bytes bytes, std::string_view name) {
  state.data = bytes.data();
  state.size = bytes.size();
  if (!read_header(state)) {
    fail<DataError>("[image] ", name, ": not a usable PNG: ", state.reason);
  }
  check_size(state.height, state.width, name);
}

/// The orientation that a chunk eXIf gives; read(place, count) gives at most so many bytes of the
/// file. It may come before the pixels or behind them.
template <class Read>
int find_orientation(const Read& read) {
  constexpr size_t kSignature = 8, kChunkHeader = 8, kCrc = 4, kMostExif = 64 << 10;
  for (uint64_t at = kSignature;;) {
    const auto header = read(at, kChunkHeader);
    if (header.size() < kChunkHeader) return 1;
    const auto* bytes = reinterpret_cast<const unsigned char*>(header.data());
    const uint64_t length = png_get_uint_32(bytes);
    if (std::memcmp(bytes + 4, "eXIf", 4) == 0) {
      const auto exif = read(at + kChunkHeader, std::min<uint64_t>(length, kMostExif));
      return orientation_of_exif(Bytes(exif));
    }
    if (std::memcmp(bytes + 4, "IEND", 4) == 0) return 1;
    at += kChunkHeader + length + kCrc;
  }
}

int orientation_of(Bytes bytes) {
  return find_orientation([&](uint64_t at, uint64_t count) {
    if (at >= bytes.size()) return Bytes();
    return bytes.subspan(at, std::min<uint64_t>(count, bytes.size() - at));
  });
}

ImageSize turned(const ReadState& state, int orientation) {
  if (orientation >= 5) return {state.width, state.height};
  return {state.height, state.width};
}

struct WriteState {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::vector<std::byte> out;
  ~WriteState() { png_destroy_write_struct(&png, &info); }
};

void write_bytes(png_structp png, png_bytep data, png_size_t count) {
  auto* out = static_cast<std::vector<std::byte>*>(png_get_io_ptr(png));
  const auto* first = reinterpret_cast<const std::byte*>(data);
  out->insert(out->end(), first, first + count);
}

void flush_bytes(png_structp) {}

bool write_all(WriteState& s, const Image& image) {
  s.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, on_warning);
  if (s.png == nullptr) return false;
  s.info = png_create_info_struct(s.png);
  if (s.info == nullptr || setjmp(png_jmpbuf(s.png)) != 0) return false;
  png_set_write_fn(s.png, &s.out, write_bytes, flush_bytes);
  png_set_compression_level(s.png, 4);
  png_set_IHDR(s.png, s.info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(s.png, s.info);
  for (int64_t y = 0; y < image.height; ++y) png_write_row(s.png, image.row(y));
  png_write_end(s.png, s.info);
  return true;
}

}  // namespace

bool is_png(Bytes bytes) {
  return bytes.size() >= 8 &&
         png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) == 0;
}

ImageSize png_size(Bytes bytes, std::string_view name) {
  ReadState state;
  open(state, bytes, name);
  return turned(state, orientation_of(bytes));
}

ImageSize png_size(const std::filesystem::path& path, Bytes start) {
  ReadState state;
  open(state, start, path.string());
  std::ifstream file(path, std::ios::binary);
  return turned(state, find_orientation([&](uint64_t at, uint64_t count) {
                  std::vector<std::byte> bytes(count);
                  file.clear();
                  file.seekg(static_cast<std::streamoff>(at));
                  file.read(reinterpret_cast<char*>(bytes.data()),
                            static_cast<std::streamsize>(count));
                  bytes.resize(static_cast<size_t>(file.gcount()));
                  return bytes;
                }));
}

Image decode_png(Bytes bytes, std::string_view name) {
  ReadState state;
  open(state, bytes, name);
  Image image(state.height, state.width);
  state.pixels = image.pixels.data();
  if (!read_pixels(state)) {
    fail<DataError>("[image] ", name, ": PNG does not decode: ", state.reason);
  }
  return apply_orientation(std::move(image), orientation_of(bytes));
}

}  // namespace codecs

std::vector<std::byte> encode_png(const Image& image) {
  KESTREL_CHECK(!image.empty(), "[image] an empty image cannot be written as PNG");
  codecs::WriteState state;
  KESTREL_CHECK(codecs::write_all(state, image), "[image] PNG does not encode");
  return std::move(state.out);
}

}  // namespace kestrel
