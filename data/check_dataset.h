#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/data/datasets/split_files.h>

namespace kestrel {

/// What a data set holds and what is wrong with its files.
struct DatasetReport {
  int64_t images = 0, objects = 0;
  int64_t empty = 0;      ///< Images without an object.
  int64_t dropped = 0;    ///< Images and annotations that were wrong and are not in the set.
  int64_t past_edge = 0;  ///< Boxes that reach more than a pixel past their image.
  std::vector<std::string> missing;     ///< Files that are not there.
  std::vector<std::string> corrupt;     ///< Why an image cannot be read, with its file.
  std::vector<std::string> other_size;  ///< Images of another size than their annotations say.
  std::vector<int64_t> class_objects, class_images;  ///< By label.
  /// Objects by the square root of their box's area: [i] those below 2^(i + 1) pixels that are in
  /// none before, the last all larger ones.
  std::vector<int64_t> box_sizes;

  int64_t problems() const {
    const bool nothing = images > 0 && objects == 0;
    return dropped + past_edge + nothing +
           static_cast<int64_t>(missing.size() + corrupt.size() + other_size.size());
  }
};

struct CheckOptions {
  bool decode = true;  ///< Else only the images' headers are read.
  /// Called from any thread, one at a time, as images are done.
  std::function<void(int64_t done, int64_t total)> progress{};
  RecogniseOptions recognise{};  ///< Of check_parts.
};

/// Reads every image of a data set, on all threads.
DatasetReport check_dataset(const Dataset& dataset, const CheckOptions& options = {});

/// A part of a data set as check_parts finds it.
struct PartReport {
  Split split = Split::Train;
  const Dataset* dataset = nullptr;  ///< Null where the part cannot be used.
  DatasetReport report;
  std::string problem;  ///< Why it cannot be used.
  int64_t problems() const { return dataset == nullptr ? 1 : report.problems(); }
};

/// A part of a data set that could be opened.
struct OpenPart {
  Split split = Split::Train;
  std::unique_ptr<Dataset> dataset;
};

/// Opens the parts as training and evaluation do, each once (val and test may stand in for each
/// other), the others with the classes of the first, hands over what it finds, and returns those
/// that can be used. Throws DataError where the data set has none of them.
std::vector<OpenPart> check_parts(const std::string& name_or_path, const std::vector<Split>& splits,
                                  const CheckOptions& options,
                                  const std::function<void(const PartReport&)>& found);

/// The report as text of several lines, histograms included.
std::string report_text(const Dataset& dataset, const DatasetReport& report);

}  // namespace kestrel
