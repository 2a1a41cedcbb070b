// The format: PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.
#include <kestrel/tensor/zip_archive.h>

#include <algorithm>
#include <limits>

#include <zlib.h>

#include <kestrel/tensor/byte_reader.h>

namespace kestrel {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kDirectoryHeader = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50;
constexpr uint32_t kZip64End = 0x06064b50;
constexpr uint32_t kZip64Locator = 0x07064b50;
constexpr uint32_t kIn64 = 0xffffffff;  // the value is in the zip64 record
constexpr size_t kEndSize = 22;
constexpr size_t kLocatorSize = 20;
constexpr size_t kMaxComment = 0xffff;
constexpr uint16_t kStored = 0;
constexpr uint16_t kZip64Extra = 1;

uint32_t crc_of(std::span<const std::byte> bytes) {
  return static_cast<uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

/// Where the record at the end of the archive begins; a comment of some length follows it.
size_t find_end(std::span<const std::byte> bytes, const std::string& context) {
  for (size_t back = kEndSize; back <= std::min(bytes.size(), kEndSize + kMaxComment); ++back) {
    ByteReader in(bytes.last(back), context);
    if (in.number<uint32_t>() != kEnd) continue;
    in.seek(kEndSize - 2);
    if (in.number<uint16_t>() == in.left()) return bytes.size() - back;
  }
  fail<ModelFileError>(context, ": the end of the zip archive is missing; it is cut short");
}

struct Directory {
  uint64_t entries = 0, size = 0, offset = 0;
};

Directory find_directory(std::span<const std::byte> bytes, const std::string& context) {
  const size_t end = find_end(bytes, context);
  ByteReader in(bytes, context);
  in.seek(end + 10);
  Directory directory;
  directory.entries = in.number<uint16_t>();
  directory.size = in.number<uint32_t>();
  directory.offset = in.number<uint32_t>();
  if (end < kLocatorSize) return directory;
  in.seek(end - kLocatorSize);
  if (in.number<uint32_t>() != kZip64Locator) return directory;
  in.take(4);
  in.seek(in.number<uint64_t>());
  if (in.number<uint32_t>() != kZip64End) {
    fail<ModelFileError>(context,
                         ": the zip64 record is not where the archive says; it is damaged");
  }
  in.take(28);
  directory.entries = in.number<uint64_t>();
  directory.size = in.number<uint64_t>();
  directory.offset = in.number<uint64_t>();
  return directory;
}

/// Replaces those values that did not fit 32 bits by those of the zip64 field.
void read_zip64(std::span<const std::byte> extra, uint64_t& size, uint64_t& stored,
                uint64_t& offset, const std::string& context) {
  ByteReader fields(extra, context);
  while (fields.left() >= 4) {
    const auto id = fields.number<uint16_t>();
    ByteReader field(fields.take(fields.number<uint16_t>()), context);
    if (id != kZip64Extra) continue;
    for (uint64_t* value : {&size, &stored, &offset}) {
      if (*value == kIn64) *value = field.number<uint64_t>();
    }
  }
}

ZipEntry read_entry(ByteReader& directory, std::span<const std::byte> bytes,
                    const std::string& context) {
  if (directory.number<uint32_t>() != kDirectoryHeader) {
    fail<ModelFileError>(context, ": the directory of the zip archive is damaged");
  }
  directory.take(4);
  const auto flags = directory.number<uint16_t>();
  const auto method = directory.number<uint16_t>();
  directory.take(4);
  ZipEntry entry;
  entry.crc = directory.number<uint32_t>();
  uint64_t stored = directory.number<uint32_t>();
  uint64_t size = directory.number<uint32_t>();
  const auto name_length = directory.number<uint16_t>();
  const auto extra_length = directory.number<uint16_t>();
  const auto comment_length = directory.number<uint16_t>();
  directory.take(8);
  uint64_t offset = directory.number<uint32_t>();
  entry.name = directory.text(name_length);
  read_zip64(directory.take(extra_length), size, stored, offset, context);
  directory.take(comment_length);
  if (method != kStored || stored != size || flags % 2 != 0) {
    fail<ModelFileError>(context, ": '", entry.name, "' in it is ",
                         flags % 2 != 0 ? "encrypted" : "compressed",
                         ", which torch.save never does; store it instead (zip -0)");
  }
  ByteReader local(bytes, context);
  local.seek(offset);
  if (local.number<uint32_t>() != kLocalHeader) {
    fail<ModelFileError>(context, ": '", entry.name, "' is not where the archive says");
  }
  local.take(22);
  const auto local_name = local.number<uint16_t>();
  const auto local_extra = local.number<uint16_t>();
  if (local.text(local_name) != entry.name) {
    fail<ModelFileError>(context, ": '", entry.name, "' has another name where it lies");
  }
  local.take(local_extra);
  entry.bytes = local.take(size);
  return entry;
}

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(std::span<const std::byte> bytes,
                                         const std::string& context) {
  const Directory directory = find_directory(bytes, context);
  ByteReader in(bytes, context);
  in.seek(directory.offset);
  ByteReader headers(in.take(directory.size), context);
  std::vector<ZipEntry> entries;
  while (headers.left() > 0) entries.push_back(read_entry(headers, bytes, context));
  if (entries.size() != directory.entries) {
    fail<ModelFileError>(context, ": the zip archive has ", entries.size(), " entries, but says ",
                         directory.entries);
  }
  return entries;
}

void check_crc(const ZipEntry& entry, const std::string& context) {
  if (entry.crc != 0 && crc_of(entry.bytes) != entry.crc) {
    fail<ModelFileError>(context, ": '", entry.name,
                         "' does not match its CRC-32: the file is damaged; use another copy");
  }
}

void ZipWriter::write(std::string_view text) {
  file_.write(text);
  offset_ += text.size();
}

void ZipWriter::add(std::string_view name, std::span<const std::byte> bytes) {
  constexpr uint64_t kHeaderSize = 30;
  constexpr uint64_t kFieldSize = 4;
  constexpr uint64_t kAlignment = 64;
  const uint64_t header = offset_;
  const uint64_t unpadded = header + kHeaderSize + name.size() + kFieldSize;
  const uint64_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  if (unpadded + padding + bytes.size() >= kIn64 ||
      entries_ == std::numeric_limits<uint16_t>::max()) {
    fail<ModelFileError>("[zip] the archive would be larger than 4 GiB; write safetensors");
  }
  // What the local header and the directory's have in common, from "version needed" on.
  std::string common;
  put<uint16_t>(common, 20);
  put<uint16_t>(common, 1 << 11);  // names are UTF-8
  put<uint16_t>(common, kStored);
  put<uint32_t>(common, 0x00210000);  // 1 January 1980: equal contents give equal files
  put<uint32_t>(common, crc_of(bytes));
  put<uint32_t>(common, static_cast<uint32_t>(bytes.size()));
  put<uint32_t>(common, static_cast<uint32_t>(bytes.size()));
  put<uint16_t>(common, static_cast<uint16_t>(name.size()));

  std::string local;
  put<uint32_t>(local, kLocalHeader);
  local += common;
  put<uint16_t>(local, static_cast<uint16_t>(kFieldSize + padding));
  local += name;
  local += "FB";  // torch.save's own padding field
  put<uint16_t>(local, static_cast<uint16_t>(padding));
  local.append(padding, 'Z');
  write(local);
  file_.write(bytes);
  offset_ += bytes.size();

  put<uint32_t>(directory_, kDirectoryHeader);
  put<uint16_t>(directory_, 20);
  directory_ += common;
  put<uint16_t>(directory_, 0);  // no extra field
  put<uint16_t>(directory_, 0);  // no comment
  put<uint16_t>(directory_, 0);  // disk
  put<uint16_t>(directory_, 0);
  put<uint32_t>(directory_, 0);
  put<uint32_t>(directory_, static_cast<uint32_t>(header));
  directory_ += name;
  ++entries_;
}

void ZipWriter::finish() {
  if (offset_ + directory_.size() >= kIn64) {
    fail<ModelFileError>("[zip] the archive would be larger than 4 GiB; write safetensors");
  }
  std::string end;
  put<uint32_t>(end, kEnd);
  put<uint32_t>(end, 0);  // disks
  put<uint16_t>(end, entries_);
  put<uint16_t>(end, entries_);
  put<uint32_t>(end, static_cast<uint32_t>(directory_.size()));
  put<uint32_t>(end, static_cast<uint32_t>(offset_));
  put<uint16_t>(end, 0);
  write(directory_);
  write(end);
}

}  // namespace kestrel
