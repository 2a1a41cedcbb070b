#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>

#include <kestrel/kernels/error.h>

#include "malformed_cases.h"
#include "support.h"

namespace kestrel::test {
namespace {

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

const Image& picture() {
  static const Image image = test_image(48, 64);
  return image;
}

std::string jpeg() {
  return text_of(encode_jpeg(picture()));
}

/// What turbojpeg writes with one of its environment variables set.
std::string jpeg_with(const char* variable) {
  setenv(variable, "1", 1);
  std::string file = jpeg();
  unsetenv(variable);
  return file;
}

std::string cmyk_jpeg() {
  const std::vector<unsigned char> pixels(size_t{48} * 64 * 4, 128);
  const tjhandle handle = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;
  tjCompress2(handle, pixels.data(), 64, 0, 48, TJPF_CMYK, &out, &size, TJSAMP_444, 90, 0);
  std::string file(reinterpret_cast<const char*>(out), size);
  tjFree(out);
  tjDestroy(handle);
  return file;
}

/// Where a JPEG's marker FF `code` begins.
size_t marker(const std::string& file, int code) {
  const size_t at = file.find(std::string{'\xFF', static_cast<char>(code)}, 2);
  KESTREL_CHECK(at != std::string::npos, "no marker ", code);
  return at;
}

std::string with_byte(std::string file, size_t at, int value) {
  file.at(at) = static_cast<char>(value);
  return file;
}

std::string with_size(std::string file, int height, int width) {
  const size_t at = marker(file, 0xC0) + 5;
  file[at] = static_cast<char>(height >> 8);
  file[at + 1] = static_cast<char>(height);
  file[at + 2] = static_cast<char>(width >> 8);
  file[at + 3] = static_cast<char>(width);
  return file;
}

/// Without a JPEG's segment.
std::string without(std::string file, int code) {
  const size_t at = marker(file, code);
  const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(file[i])); };
  file.erase(at, 2 + byte(at + 2) * 256 + byte(at + 3));
  return file;
}

std::string with_exif(const std::string& file, const std::string& tiff) {
  const size_t length = 8 + tiff.size();
  std::string segment = "\xFF\xE1";
  segment += static_cast<char>(length >> 8);
  segment += static_cast<char>(length);
  segment += std::string("Exif\0\0", 6) + tiff;
  return file.substr(0, 2) + segment + file.substr(2);
}

std::string orientation(int value) {
  std::string tiff("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0", 26);
  tiff[18] = static_cast<char>(value);
  return tiff;
}

uint32_t crc(const std::string& bytes) {
  uint32_t value = 0xFFFFFFFF;
  for (const char c : bytes) {
    value ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xEDB88320U : 0);
  }
  return ~value;
}

std::string big_endian(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}

struct Chunk {
  std::string type, data;
};

std::string png_of(const std::vector<Chunk>& chunks) {
  std::string out("\x89PNG\r\n\x1A\n", 8);
  for (const auto& [type, data] : chunks) {
    const std::string body = type + data;
    out += big_endian(static_cast<uint32_t>(data.size()));
    out += body;
    out += big_endian(crc(body));
  }
  return out;
}

std::vector<Chunk> chunks_of(const std::string& png) {
  std::vector<Chunk> chunks;
  for (size_t at = 8; at + 12 <= png.size();) {
    uint32_t size = 0;
    for (size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(png[at + i]);
    chunks.push_back({png.substr(at + 4, 4), png.substr(at + 8, size)});
    at += 12 + size;
  }
  return chunks;
}

std::string png() {
  return text_of(encode_png(picture()));
}

using ChangeChunks = std::function<void(std::vector<Chunk>&)>;

std::string changed_png(const ChangeChunks& change) {
  auto chunks = chunks_of(png());
  change(chunks);
  return png_of(chunks);
}

/// Byte `at` of the header becomes `value`; the checksum is right.
std::string png_header(size_t at, int value) {
  return changed_png([&](auto& chunks) { chunks[0].data[at] = static_cast<char>(value); });
}

std::string png_size(uint32_t width, uint32_t height) {
  return changed_png(
      [&](auto& chunks) { chunks[0].data.replace(0, 8, big_endian(width) + big_endian(height)); });
}

std::string sized(std::string file, size_t size) {
  file.resize(size);
  return file;
}

class Collection {
 public:
  void add(const std::string& name, std::string content) {
    files_.push_back({name, std::move(content)});
  }
  /// The file cut at each of so many places, evenly spaced over [first, last).
  void add_cuts(const std::string& name, const std::string& file, size_t first, size_t last,
                size_t count) {
    for (size_t i = 0; i < count; ++i) {
      add(name + "_" + std::to_string(i + 1), file.substr(0, first + (last - first) * i / count));
    }
  }
  std::vector<MalformedFile> take() { return std::move(files_); }

 private:
  std::vector<MalformedFile> files_;
};

void add_other_formats(Collection& out) {
  out.add("empty", "");
  out.add("text", "This is not an image at all.\n");
  out.add("html", "<!DOCTYPE html><html><body>404 Not Found</body></html>");
  out.add("gif", sized(std::string("GIF89a\x10\0\x10\0\x80\0\0", 13), 60));
  out.add("webp", sized(std::string("RIFF\x24\0\0\0WEBPVP8 ", 16), 60));
  out.add("tiff", sized(std::string("II*\0\x08\0\0\0", 8), 60));
  out.add("pdf", sized("%PDF-1.4\n", 60));
  out.add("zip", sized(std::string("PK\x03\x04", 4), 60));
  out.add("heic", sized(std::string("\0\0\0\x18"
                                    "ftypheic",
                                    12),
                        60));
  out.add("zeros", std::string(300, '\0'));
  out.add("git_lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  out.add("jpeg_wrong_magic", with_byte(jpeg(), 1, 0xD9));
  out.add("png_wrong_magic", with_byte(png(), 1, 'Q'));
}

void add_jpegs(Collection& out) {
  const std::string file = jpeg();
  const size_t scan = marker(file, 0xDA);
  out.add("jpeg_cut_magic", file.substr(0, 2));
  out.add_cuts("jpeg_cut_header", file, 3, scan, 12);
  out.add_cuts("jpeg_cut_scan", file, scan + 14, file.size() - 2, 12);
  out.add("jpeg_no_end", file.substr(0, file.size() - 2));
  out.add("jpeg_zero_height", with_size(file, 0, 64));
  out.add("jpeg_zero_width", with_size(file, 48, 0));
  out.add("jpeg_giant", with_size(file, 65535, 65535));
  out.add("jpeg_taller_than_its_data", with_size(file, 480, 64));
  out.add("jpeg_no_size", without(file, 0xC0));
  out.add("jpeg_no_quantisation", without(file, 0xDB));
  out.add("jpeg_no_huffman", without(without(without(without(file, 0xC4), 0xC4), 0xC4), 0xC4));
  out.add("jpeg_no_scan", file.substr(0, scan) + "\xFF\xD9");
  out.add("jpeg_12_bit", with_byte(file, marker(file, 0xC0) + 4, 12));
  out.add("jpeg_lossless", with_byte(file, marker(file, 0xC0) + 1, 0xC3));
  out.add("jpeg_hierarchical", with_byte(file, marker(file, 0xC0) + 1, 0xC5));
  out.add("jpeg_no_components", with_byte(file, marker(file, 0xC0) + 9, 0));
  out.add("jpeg_sampling_5", with_byte(file, marker(file, 0xC0) + 11, 0x55));
  out.add("jpeg_segment_length_0", with_byte(with_byte(file, 4, 0), 5, 0));
  std::string zeros = file;
  std::fill(zeros.begin() + static_cast<int64_t>(scan) + 40, zeros.end() - 2, '\0');
  out.add("jpeg_scan_of_zeros", zeros);
  std::string markers = file;
  markers.replace(scan + 60, 4, "\xFF\xD0\xFF\xD3");
  out.add("jpeg_stray_markers", markers);

  out.add("jpeg_progressive", jpeg_with("TJ_PROGRESSIVE"));
  out.add("jpeg_arithmetic", jpeg_with("TJ_ARITHMETIC"));
  out.add("jpeg_restarts", jpeg_with("TJ_RESTART"));
  const std::string progressive = jpeg_with("TJ_PROGRESSIVE");
  out.add_cuts("jpeg_progressive_cut", progressive, marker(progressive, 0xDA) + 40,
               progressive.size() - 2, 4);
  out.add("jpeg_cmyk", cmyk_jpeg());
  out.add("jpeg_trailing_bytes", file + std::string(1000, 'x'));
  out.add("jpeg_fill_bytes", file.substr(0, 2) + "\xFF\xFF\xFF" + file.substr(2));
  for (const int value : {2, 3, 4, 5, 6, 7, 8}) {
    out.add("exif_orientation_" + std::to_string(value), with_exif(file, orientation(value)));
  }
  out.add("exif_orientation_9", with_exif(file, orientation(9)));
  out.add("exif_empty", with_exif(file, ""));
  out.add("exif_no_tiff", with_exif(file, "hello, world, hello"));
  out.add("exif_cut", with_exif(file, orientation(6).substr(0, 15)));
  out.add("exif_far_directory", with_exif(file, std::string("II*\0\xFF\xFF\xFF\xFF", 8)));
}

void add_pngs(Collection& out) {
  const std::string file = png();
  out.add_cuts("png_cut_header", file, 8, 33, 5);
  out.add_cuts("png_cut_data", file, 45, file.size() - 16, 8);
  out.add("png_no_end", file.substr(0, file.size() - 12));
  out.add("png_zero_width", png_size(0, 48));
  out.add("png_zero_height", png_size(64, 0));
  out.add("png_giant", png_size(100'000, 100'000));
  out.add("png_wide", png_size(2'000'000, 1));
  out.add("png_negative", png_size(0xFFFFFFFF, 48));
  out.add("png_taller_than_its_data", png_size(64, 480));
  out.add("png_3_bits", png_header(8, 3));
  out.add("png_color_type_5", png_header(9, 5));
  out.add("png_compression_1", png_header(10, 1));
  out.add("png_filter_1", png_header(11, 1));
  out.add("png_interlace_2", png_header(12, 2));
  out.add("png_header_checksum", with_byte(file, 30, 0x55));
  out.add("png_data_checksum", with_byte(file, file.size() - 13, 0x55));
  out.add("png_no_header", changed_png([](auto& chunks) { chunks.erase(chunks.begin()); }));
  out.add("png_no_data", changed_png([](auto& chunks) {
            std::erase_if(chunks, [](const Chunk& c) { return c.type == "IDAT"; });
          }));
  out.add("png_no_palette", png_header(9, 3));
  out.add("png_not_deflated", changed_png([](auto& chunks) {
            for (Chunk& c : chunks) {
              if (c.type == "IDAT") c.data.assign(c.data.size(), 'x');
            }
          }));
  out.add("png_chunk_of_4_GB", file.substr(0, 33) + "\xFF\xFF\xFF\xFFIDAT");
  out.add("png_unknown_chunk", changed_png([](auto& chunks) {
            chunks.insert(chunks.begin() + 1, {"kEst", "hello"});
          }));
  out.add("png_text_chunk_of_2_MB", changed_png([](auto& chunks) {
            chunks.insert(chunks.begin() + 1,
                          {"tEXt", std::string("Comment\0", 8) + std::string(2 << 20, 'x')});
          }));
  out.add("png_trailing_bytes", file + std::string(1000, 'x'));
  const auto decode_cases = golden("images.json").at("decode");
  for (const auto& entry : decode_cases) {
    const auto name = entry.at("name").get<std::string>();
    if (name != "rgb16.png" && name != "palette.png" && name != "grey_alpha.png") continue;
    const std::string content = text_of(from_base64(entry.at("file").get<std::string>()));
    const std::string stem = name.substr(0, name.find('.'));
    out.add("png_" + stem, content);
    out.add("png_" + stem + "_cut", content.substr(0, content.size() * 2 / 3));
  }
}

std::string bmp(int32_t width, int32_t height, int bits, size_t bytes) {
  std::string file("BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", 18);
  for (const int32_t side : {width, height}) {
    for (int shift = 0; shift < 32; shift += 8) file += static_cast<char>(side >> shift);
  }
  file += std::string("\x01\0", 2) + static_cast<char>(bits) + '\0';
  return sized(file, 54) + std::string(bytes, '\x40');
}

void add_rest(Collection& out) {
  out.add("bmp", bmp(8, 8, 24, 192));
  out.add("bmp_upside_down", bmp(8, -8, 24, 192));
  out.add("bmp_no_header", bmp(8, 8, 24, 192).substr(0, 20));
  out.add("bmp_zero_width", bmp(0, 8, 24, 192));
  out.add("bmp_giant", bmp(100'000, 100'000, 24, 192));
  out.add("bmp_more_than_its_bytes", bmp(4000, 4000, 24, 192));
  out.add("bmp_7_bits", bmp(8, 8, 7, 192));
  out.add("pnm", "P6 4 2 255\n" + std::string(24, 'x'));
  out.add("pnm_no_size", "P6 hello");
  out.add("pnm_zero", "P6 0 5 255\n");
  out.add("pnm_giant", "P6 99999 99999 255\n");
  out.add("pnm_more_than_its_bytes", "P6 4000 4000 255\nxx");
  out.add("pnm_cut", "P6 4 2 255\n" + std::string(12, 'x'));
}

}  // namespace

std::vector<MalformedFile> malformed_images() {
  Collection out;
  add_other_formats(out);
  add_jpegs(out);
  add_pngs(out);
  add_rest(out);
  return out.take();
}

}  // namespace kestrel::test
