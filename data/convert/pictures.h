#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

#include <kestrel/data/datasets/dataset.h>

namespace kestrel {

/// How the pictures of a data set come into another one.
enum class PictureTransfer : uint8_t {
  Copy,
  Link,  ///< Hard links; copies where the file system has none.
};

/// Where pictures were put, without their extensions.
using PlacedPictures = std::set<std::filesystem::path>;

/// Puts picture `index` of a data set into a folder, under the name of its file; where another
/// was placed there under that name, with any extension, under <prefix>_<name>, and then with a
/// number. A generated picture is written as it is. Returns the name. Throws DataError where it
/// cannot be read or written.
std::string place_picture(const Dataset& dataset, int64_t index,
                          const std::filesystem::path& folder, const std::string& prefix,
                          PlacedPictures& placed, PictureTransfer transfer = PictureTransfer::Copy);

}  // namespace kestrel
