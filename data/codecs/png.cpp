#include <png.h>

#include <csetjmp>
#include <cstring>
#include <string>

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
  return {state.height, state.width};
}

Image decode_png(Bytes bytes, std::string_view name) {
  ReadState state;
  open(state, bytes, name);
  Image image(state.height, state.width);
  state.pixels = image.pixels.data();
  if (!read_pixels(state)) {
    fail<DataError>("[image] ", name, ": PNG does not decode: ", state.reason);
  }
  return image;
}

}  // namespace codecs

std::vector<std::byte> encode_png(const Image& image) {
  KESTREL_CHECK(!image.empty(), "[image] an empty image cannot be written as PNG");
  codecs::WriteState state;
  KESTREL_CHECK(codecs::write_all(state, image), "[image] PNG does not encode");
  return std::move(state.out);
}

}  // namespace kestrel
