#include <kestrel/data/transforms/load_annotations.h>

#include <algorithm>
#include <cmath>

#include <kestrel/data/datasets/annotation_mask.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, LoadAnnotations, LoadAnnotationsOptions> kLoadAnnotations{
    "LoadAnnotations", "reads masks and maps of classes; boxes the data set has"};
const Registration<Transform, SegRescale, SegRescaleOptions> kSegRescale{
    "SegRescale", "makes the map of classes smaller"};

SemanticMap read_semantic(const Sample& sample) {
  if (sample.semantic_file.empty()) {
    fail<DataError>("[load_annotations] ", sample.meta.file,
                    ": with_seg needs a data set with seg_prefix, the folder of its maps");
  }
  const Image image = read_image(sample.semantic_file);
  if (image.height != sample.height() || image.width != sample.width()) {
    fail<DataError>("[load_annotations] ", sample.semantic_file, ": is ", image.width, "x",
                    image.height, " pixels, but its image is ", sample.width(), "x",
                    sample.height());
  }
  SemanticMap map{image.height, image.width, {}};
  map.classes.reserve(image.pixels.size() / 3);
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    const uint8_t* p = image.pixels.data() + i;
    if (p[0] != p[1] || p[1] != p[2]) {
      fail<DataError>("[load_annotations] ", sample.semantic_file,
                      ": is no map of classes, for it has colours; it must be grey");
    }
    map.classes.push_back(p[0]);
  }
  return map;
}

}  // namespace

InstanceMask LoadAnnotations::read_mask(const Sample& sample, const Annotation& annotation) const {
  InstanceMask mask =
      mask_of("load_annotations", annotation, sample.meta.id, {sample.height(), sample.width()});
  if (mask.height() != sample.height() || mask.width() != sample.width()) {
    fail<DataError>("[load_annotations] ", sample.meta.file, ": the mask of annotation ",
                    annotation.id, " is ", mask.width(), "x", mask.height(),
                    " pixels, but the image is ", sample.width(), "x", sample.height());
  }
  if (!options_.poly2mask || !mask.is_polygons()) return mask;
  try {
    return InstanceMask(mask.rle());
  } catch (const DataError& error) {
    fail<DataError>("[load_annotations] ", sample.meta.file, ": annotation ", annotation.id, ": ",
                    error.what());
  }
}

LoadAnnotations::LoadAnnotations(const LoadAnnotationsOptions& options) : options_(options) {}

bool LoadAnnotations::apply(Sample& sample, Philox&) const {
  if (options_.with_mask) {
    sample.instances.masks.clear();
    for (const Annotation& annotation : sample.annotations) {
      if (annotation.is_object()) sample.instances.masks.push_back(read_mask(sample, annotation));
    }
  }
  if (options_.with_seg) sample.instances.semantic = read_semantic(sample);
  return true;
}

SegRescale::SegRescale(const SegRescaleOptions& options) : options_(options) {
  if (!(options.scale_factor > 0 && options.scale_factor <= 1)) {
    fail<UsageError>("[seg_rescale] scale_factor must be in (0, 1], got ", options.scale_factor);
  }
}

bool SegRescale::apply(Sample& sample, Philox&) const {
  SemanticMap& map = sample.instances.semantic;
  if (map.empty() || options_.scale_factor == 1) return true;
  const auto scaled = [&](int64_t size) {
    const double exact = static_cast<double>(size) * options_.scale_factor;
    return std::max<int64_t>(1, static_cast<int64_t>(exact + 0.5));
  };
  map = resized(map, scaled(map.height), scaled(map.width));
  return true;
}

}  // namespace kestrel
