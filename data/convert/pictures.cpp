#include <kestrel/data/convert/pictures.h>

#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

fs::path free_name(const fs::path& folder, const fs::path& name, const std::string& prefix) {
  std::error_code code;
  if (!fs::exists(folder / name, code)) return name;
  fs::path longer = prefix + "_" + name.string();
  if (!fs::exists(folder / longer, code)) return longer;
  for (int64_t number = 2;; ++number) {
    fs::path numbered =
        longer.stem().string() + "_" + std::to_string(number) + longer.extension().string();
    if (!fs::exists(folder / numbered, code)) return numbered;
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
