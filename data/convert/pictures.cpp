#include <kestrel/data/convert/pictures.h>

#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

/// The first name that no picture has, whatever it ends on: labels go by the name alone.
fs::path free_name(const PlacedPictures& placed, const fs::path& folder, const fs::path& name,
                   const std::string& prefix) {
  const auto is_taken = [&](const fs::path& candidate) {
    std::error_code code;
    return placed.contains(folder / candidate.stem()) || fs::exists(folder / candidate, code);
  };
  if (!is_taken(name)) return name;
  fs::path longer = prefix + "_" + name.string();
  if (!is_taken(longer)) return longer;
  for (int64_t number = 2;; ++number) {
    fs::path numbered =
        longer.stem().string() + "_" + std::to_string(number) + longer.extension().string();
    if (!is_taken(numbered)) return numbered;
  }
}

}  // namespace

std::string place_picture(const Dataset& dataset, int64_t index, const fs::path& folder,
                          const std::string& prefix, PlacedPictures& placed,
                          PictureTransfer transfer) {
  const fs::path from = dataset.info(index).file;
  std::error_code code;
  fs::create_directories(folder, code);
  const fs::path name = free_name(placed, folder, from.filename(), prefix);
  placed.insert(folder / name.stem());
  if (!fs::exists(from, code)) {
    write_image(folder / name, dataset.load(index));
    return name.string();
  }
  if (transfer == PictureTransfer::Link) {
    fs::create_hard_link(fs::canonical(from), folder / name, code);
    if (!code) return name.string();
  }
  fs::copy_file(from, folder / name, code);
  if (code) {
    fail<DataError>("[convert] ", from.string(), " cannot be copied to ", (folder / name).string(),
                    ": ", code.message());
  }
  return name.string();
}

}  // namespace kestrel
