#pragma once

#include <filesystem>
#include <string>

#include <kestrel/data/convert/pictures.h>

namespace kestrel {

/// Writes a data set as a COCO tree that recognise() finds: images as <directory>/<part>/*.png (or
/// copies of the files), annotations as <directory>/annotations/instances_<part>.json. Parts of one
/// tree, such as "train2017" and "val2017", are written by one call each.
void write_coco(const Dataset& dataset, const std::filesystem::path& directory,
                const std::string& part, PictureTransfer transfer = PictureTransfer::Copy);

}  // namespace kestrel
