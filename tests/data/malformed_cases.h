#pragma once

#include <string>
#include <vector>

#include <kestrel/data/image.h>

// Files that are wrong in one way or another, made from right ones. docs/malformed_data.md says of
// each by its name what becomes of it.
namespace kestrel::test {

struct MalformedFile {
  std::string name;
  std::string content;
};

/// Image files, some of which are only unusual.
std::vector<MalformedFile> malformed_images();

/// COCO files. A right one has the images 1 (a.png) and 2 (b.png) with an object each.
std::vector<MalformedFile> malformed_coco();

/// VOC's annotation of the image `bad`, to lie beside a good one.
std::vector<MalformedFile> malformed_voc();

/// YOLO's labels of the image `bad`, to lie beside good ones; there are 2 classes.
std::vector<MalformedFile> malformed_yolo();

/// LabelMe's file of the picture `bad`, to lie beside good ones.
std::vector<MalformedFile> malformed_labelme();

/// CVAT's XML, a CSV and MMDetection's middle format, each of the pictures a.png and b.png.
std::vector<MalformedFile> malformed_cvat();
std::vector<MalformedFile> malformed_csv();
std::vector<MalformedFile> malformed_middle();

/// YAML of a YOLO data set.
std::vector<MalformedFile> malformed_yaml();

}  // namespace kestrel::test
