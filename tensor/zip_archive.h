#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <kestrel/tensor/atomic_file.h>

namespace kestrel {

/// A file within a zip archive.
struct ZipEntry {
  std::string name;
  std::span<const std::byte> bytes;  ///< Where they lie in the archive.
  uint32_t crc = 0;                  ///< CRC-32; PyTorch can be told to leave it 0.
};

/// Reads the directory of an archive whose entries are stored, not compressed, as torch.save's are;
/// zip64 too. Every offset and size is checked: ModelFileError begins with `context`.
std::vector<ZipEntry> read_zip_directory(std::span<const std::byte> bytes,
                                         const std::string& context);

/// Throws ModelFileError unless the entry's bytes have its CRC-32, if it has one.
void check_crc(const ZipEntry& entry, const std::string& context);

/// Writes such an archive, with the bytes of every entry at a multiple of 64. Up to 4 GiB.
class ZipWriter {
 public:
  explicit ZipWriter(AtomicFile& file) : file_(file) {}
  /// Throws ModelFileError where the archive would grow beyond 4 GiB.
  void add(std::string_view name, std::span<const std::byte> bytes);
  void add(std::string_view name, std::string_view text) {
    add(name, std::as_bytes(std::span(text)));
  }
  /// Writes the directory; the last call.
  void finish();

 private:
  void write(std::string_view text);

  AtomicFile& file_;
  std::string directory_;
  uint16_t entries_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace kestrel
