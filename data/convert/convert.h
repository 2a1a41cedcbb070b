#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/data/convert/pictures.h>
#include <kestrel/data/datasets/split_files.h>

namespace kestrel {

/// A form in which data sets are written.
enum class DataForm : uint8_t {
  Coco,     ///< annotations/instances_<part>.json, <part>/*
  Voc,      ///< Annotations, JPEGImages, ImageSets/Main/<part>.txt
  Yolo,     ///< data.yaml, images/<part>, labels/<part>
  LabelMe,  ///< <part>/*.json beside the pictures
  Middle,   ///< MMDetection's middle format: <part>.json, classes.txt, images/
};

constexpr auto enum_names(DataForm) {
  return std::array{std::pair{DataForm::Coco, "coco"}, std::pair{DataForm::Voc, "voc"},
                    std::pair{DataForm::Yolo, "yolo"}, std::pair{DataForm::LabelMe, "labelme"},
                    std::pair{DataForm::Middle, "middle"}};
}

/// What a form cannot hold, and what became of it, with how often: "crowds: written as difficult".
using ConvertLosses = std::map<std::string, int64_t>;

/// Writes data sets of the same classes into a folder, part by part, in one form. What is written
/// is recognised again, with the same parts.
class DatasetWriter {
 public:
  DatasetWriter(DataForm form, std::filesystem::path folder, std::vector<std::string> classes,
                PictureTransfer transfer = PictureTransfer::Copy);

  void write(const Dataset& dataset, Split part);
  /// What names all of the parts; to be called last.
  void finish();
  const ConvertLosses& losses() const { return losses_; }

 private:
  void write_voc(const Dataset& dataset, const std::string& part);
  void write_yolo(const Dataset& dataset, const std::string& part);
  void write_labelme(const Dataset& dataset, const std::string& part);
  void write_middle(const Dataset& dataset, const std::string& part);
  void lose(const char* what, int64_t count = 1);

  DataForm form_;
  std::filesystem::path folder_;
  std::vector<std::string> classes_;
  PictureTransfer transfer_;
  std::vector<std::string> parts_;
  PlacedPictures placed_;
  ConvertLosses losses_;
};

/// Throws UsageError where the folder holds anything, or is the source or in it.
void check_convert_target(const std::filesystem::path& source, const std::filesystem::path& folder);

}  // namespace kestrel
