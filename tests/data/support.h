#pragma once

#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <kestrel/data/image.h>
#include <kestrel/kernels/log.h>

#include "../support/error_of.h"

namespace kestrel::test {

/// A directory that is gone afterwards.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "kestrel_data_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }
  /// Writes a text file, with its folders.
  std::string write(const std::string& name, std::string_view text) const {
    const auto file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file.string();
  }

 private:
  std::filesystem::path path_;
};

/// The warnings given while it lives.
class Warnings {
 public:
  Warnings()
      : previous_(set_warning_sink([this](std::string_view text) {
          const std::lock_guard lock(mutex_);
          texts_.emplace_back(text);
        })) {}
  ~Warnings() { set_warning_sink(previous_); }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;

  const std::vector<std::string>& texts() const { return texts_; }
  size_t count() const { return texts_.size(); }
  /// Whether one warning has all of the parts.
  bool has(const std::vector<std::string>& parts) const {
    for (const std::string& text : texts_) {
      bool all = true;
      for (const std::string& part : parts) all = all && text.find(part) != std::string::npos;
      if (all) return true;
    }
    return false;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> texts_;
  WarningSink previous_;
};

inline std::vector<std::byte> from_base64(const std::string& text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::byte> out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if ((count += 6) >= 8) out.push_back(static_cast<std::byte>(bits >> (count -= 8) & 255));
  }
  return out;
}

/// An image from an entry with height, width and base64 pixels.
inline Image image_of(const nlohmann::json& entry) {
  Image image(entry.at("height").get<int64_t>(), entry.at("width").get<int64_t>());
  const auto bytes = from_base64(entry.at("pixels").get<std::string>());
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<uint8_t>(bytes.at(i));
  }
  return image;
}

inline nlohmann::json golden(const std::string& name) {
  std::ifstream file(std::string(KESTREL_TEST_DIR) + "/golden/data/" + name);
  return nlohmann::json::parse(file);
}

/// A smooth picture that depends on its number.
inline Image test_image(int64_t height, int64_t width, int number = 0) {
  Image image(height, width);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      image.row(y)[3 * x] = static_cast<uint8_t>((3 * x + 40 * number) % 256);
      image.row(y)[3 * x + 1] = static_cast<uint8_t>((5 * y + 7 * number) % 256);
      image.row(y)[3 * x + 2] = static_cast<uint8_t>((x + y) % 256);
    }
  }
  return image;
}

}  // namespace kestrel::test
