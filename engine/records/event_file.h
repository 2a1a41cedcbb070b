#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <kestrel/engine/runner.h>

namespace kestrel {

/// A file of TensorBoard's: events as protobuf messages (tensorflow/core/util/event.proto), each
/// framed as a record of a TFRecord file. Everything written is on its way to disk when the call
/// returns.
class EventFile {
 public:
  /// Begins events.out.tfevents.<seconds>.<host>.<process>.<number> in a folder. What other files
  /// there have from step `first_step` on is void: a run that was interrupted does it again.
  EventFile(const std::filesystem::path& folder, int64_t first_step);

  /// One event with all values, under their names. What is not finite is written as it is.
  void add_scalars(int64_t step, const NamedValues& values);

  const std::filesystem::path& path() const { return path_; }

 private:
  void append(std::string_view event);

  std::filesystem::path path_;
};

/// The encodings, for a given time in seconds since 1970.
std::string file_version_event(double wall_time);
std::string session_start_event(double wall_time, int64_t step);
std::string scalars_event(double wall_time, int64_t step, const NamedValues& values);

/// Length, masked CRC of the length, data, masked CRC of the data.
std::string tfrecord(std::string_view data);

/// Castagnoli's CRC of 32 bits, as in RFC 3720.
uint32_t crc32c(std::string_view data);

}  // namespace kestrel
