#include <kestrel/data/convert/pictures.h>

#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

/// Whether a picture of that name is there, whatever it ends on: labels go by the name alone.
bool is_taken(const fs::path& folder, const fs::path& name) {
  std::error_code code;
  for (const char* extension : {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".tga",
                                ".ppm", ".pgm", ".pnm", ".JPG", ".JPEG", ".PNG", ".BMP"}) {
    if (fs::exists(folder / fs::path(name).replace_extension(extension), code)) return true;
  }
  return fs::exists(folder / name, code);
}

fs::path free_name(const fs::path& folder, const fs::path& name, const std::string& prefix) {
  if (!is_taken(folder, name)) return name;
  fs::path longer = prefix + "_" + name.string();
  if (!is_taken(folder, longer)) return longer;
  for (int64_t number = 2;; ++number) {
    fs::path numbered =
        longer.stem().string() + "_" + std::to_string(number) + longer.extension().string();
    if (!is_taken(folder, numbered)) return numbered;
  }
}

}  // namespace

std::string place_picture(const Dataset& dataset, int64_t index, const fs::path& folder,
                          const std::string& prefix, PictureTransfer transfer) {
  const fs::path from = dataset.info(index).file;
  std::error_code code;
  fs::create_directories(folder, code);
  const fs::path name = free_name(folder, from.filename(), prefix);
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
