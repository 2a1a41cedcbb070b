#include <kestrel/engine/records/event_file.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

template <class T>
void append_little_endian(std::string& text, T value) {
  static_assert(std::endian::native == std::endian::little);
  std::array<char, sizeof value> bytes;
  std::memcpy(bytes.data(), &value, sizeof value);
  text.append(bytes.data(), bytes.size());
}

// Protobuf's wire format: a key of field number and type, then the value.
enum class Wire : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

void append_varint(std::string& text, uint64_t value) {
  for (; value >= 0x80; value >>= 7) text += static_cast<char>(value | 0x80);
  text += static_cast<char>(value);
}

void append_key(std::string& text, int field, Wire wire) {
  append_varint(text, static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire));
}

void append_bytes(std::string& text, int field, std::string_view bytes) {
  append_key(text, field, Wire::Bytes);
  append_varint(text, bytes.size());
  text += bytes;
}

// Numbers of the fields in event.proto and summary.proto.
enum EventField { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7 };
enum SummaryField { kValue = 1 };
enum ValueField { kTag = 1, kSimpleValue = 2 };
enum SessionLogField { kStatus = 1 };
constexpr uint64_t kSessionStart = 1;

std::string event_head(double wall_time, int64_t step) {
  std::string event;
  append_key(event, kWallTime, Wire::Fixed64);
  append_little_endian(event, wall_time);
  if (step != 0) {  // the default is left out
    append_key(event, kStep, Wire::Varint);
    append_varint(event, static_cast<uint64_t>(step));
  }
  return event;
}

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78U : 0);
    table[i] = crc;
  }
  return table;
}

/// TFRecord's, so that the CRC of data that holds a CRC is no special case.
uint32_t masked(uint32_t crc) {
  return std::rotr(crc, 15) + 0xA282EAD8U;
}

double now() {
  const auto time = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(time).count();
}

std::string file_name() {
  static std::atomic<int> number{0};
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  return fmt::format("events.out.tfevents.{:010}.{}.{}.{}", static_cast<int64_t>(now()),
                     host.data(), getpid(), number++);
}

}  // namespace

uint32_t crc32c(std::string_view data) {
  static constexpr auto kTable = crc_table();
  uint32_t crc = ~0U;
  for (const char c : data) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

std::string tfrecord(std::string_view data) {
  std::string record;
  append_little_endian(record, static_cast<uint64_t>(data.size()));
  append_little_endian(record, masked(crc32c(record)));
  record += data;
  append_little_endian(record, masked(crc32c(data)));
  return record;
}

std::string file_version_event(double wall_time) {
  std::string event = event_head(wall_time, 0);
  append_bytes(event, kFileVersion, "brain.Event:2");
  return event;
}

std::string session_start_event(double wall_time, int64_t step) {
  std::string log;
  append_key(log, kStatus, Wire::Varint);
  append_varint(log, kSessionStart);
  std::string event = event_head(wall_time, step);
  append_bytes(event, kSessionLog, log);
  return event;
}

std::string scalars_event(double wall_time, int64_t step, const NamedValues& values) {
  std::string summary;
  for (const auto& [name, number] : values) {
    std::string value;
    append_bytes(value, kTag, name);
    append_key(value, kSimpleValue, Wire::Fixed32);
    append_little_endian(value, static_cast<float>(number));
    append_bytes(summary, kValue, value);
  }
  std::string event = event_head(wall_time, step);
  append_bytes(event, kSummary, summary);
  return event;
}

EventFile::EventFile(const std::filesystem::path& folder, int64_t first_step)
    : path_(folder / file_name()) {
  append(file_version_event(now()));
  append(session_start_event(now(), first_step));
}

void EventFile::add_scalars(int64_t step, const NamedValues& values) {
  append(scalars_event(now(), step, values));
}

void EventFile::append(std::string_view event) {
  std::ofstream out(path_, std::ios::app | std::ios::binary);
  out << tfrecord(event) << std::flush;
  if (!out) {
    fail<DataError>("[tensorboard] ", path_.string(),
                    ": cannot be written: ", std::strerror(errno));
  }
}

}  // namespace kestrel
