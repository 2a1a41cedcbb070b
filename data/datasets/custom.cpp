#include <kestrel/data/datasets/custom.h>

#include <cmath>

#include <nlohmann/json.hpp>

#include <kestrel/data/file.h>
#include <kestrel/kernels/error.h>
#include <kestrel/tensor/text.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const Json& list_in(const Json& node, const char* key) {
  static const Json kNone = Json::array();
  const auto found = node.find(key);
  if (found == node.end() || found->is_null()) return kNone;
  if (!found->is_array()) fail<DataError>(key, " is no list");
  return *found;
}

/// 0 where it is no whole number.
int64_t side_in(const Json& node, const char* key) {
  const auto found = node.find(key);
  return found != node.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

void add_objects(const Json& ann, bool ignored, const std::vector<std::string>& names,
                 PictureRecord& picture, std::vector<std::string>& problems) {
  const Json& boxes = list_in(ann, ignored ? "bboxes_ignore" : "bboxes");
  const Json& labels = list_in(ann, ignored ? "labels_ignore" : "labels");
  for (size_t i = 0; i < boxes.size(); ++i) {
    // Ignored boxes may have no labels.
    const bool labelled = i < labels.size();
    if (labelled && !labels[i].is_number_integer()) fail<DataError>("a label is no whole number");
    const int64_t label = labelled ? labels[i].get<int64_t>() : 0;
    const auto corners = boxes[i].get<std::vector<double>>();
    const bool finite = corners.size() == 4 &&
                        std::ranges::all_of(corners, [](double v) { return std::isfinite(v); });
    const auto what = [&] { return picture.source + ": box " + std::to_string(i + 1); };
    if (!finite) {
      problems.push_back(what() + " has no four numbers");
    } else if (!labelled && !ignored) {
      problems.push_back(what() + " has no label");
    } else if (label < 0 || (!names.empty() && label >= std::ssize(names))) {
      problems.push_back(what() + " has the label " + std::to_string(label) + ", of " +
                         std::to_string(names.size()) + " classes");
    } else {
      picture.objects.push_back({.name = names.empty() ? "class " + std::to_string(label)
                                                       : names[static_cast<size_t>(label)],
                                 .corners = {corners[0], corners[1], corners[2], corners[3]},
                                 .difficult = ignored});
    }
  }
}

std::vector<std::string> names_for(const CustomDatasetOptions& options) {
  if (!options.classes.empty()) return options.classes;
  const fs::path list = RecordsDataset::source_of(options).parent_path() / "classes.txt";
  std::error_code code;
  if (fs::is_regular_file(list, code)) return read_lines("custom", list);
  return {};
}

Records read_custom(const CustomDatasetOptions& options, Complaints& complaints) {
  const fs::path file = RecordsDataset::source_of(options);
  const auto bytes = read_file("custom", file);
  std::vector<std::string> problems;
  Records records;
  try {
    records = parse_middle({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                           names_for(options), problems);
  } catch (const DataError& error) {
    fail<DataError>("[custom] ", file.string(), ": ", error.what());
  }
  for (const std::string& problem : problems) complaints.dropped(problem);
  return records;
}

}  // namespace

Records parse_middle(std::string_view bytes, const std::vector<std::string>& names,
                     std::vector<std::string>& problems) {
  const DecodedText decoded = decode_text(bytes);
  Records records{.classes = names};
  try {
    const Json root = Json::parse(decoded.text);
    if (!root.is_array()) {
      fail<DataError>("is not of MMDetection's middle format: it is no list of pictures");
    }
    for (const Json& entry : root) {
      PictureRecord picture{.file = entry.at("filename").get<std::string>(),
                            .width = side_in(entry, "width"),
                            .height = side_in(entry, "height")};
      picture.source =
          "picture " + std::to_string(records.pictures.size() + 1) + " (" + picture.file + ")";
      if (const auto ann = entry.find("ann"); ann != entry.end()) {
        for (const bool ignored : {false, true}) {
          add_objects(*ann, ignored, names, picture, problems);
        }
      }
      records.pictures.push_back(std::move(picture));
    }
  } catch (const Json::exception& error) {
    fail<DataError>("is not of MMDetection's middle format: ", error.what());
  }
  return records;
}

CustomDataset::CustomDataset(const CustomDatasetOptions& options)
    : CustomDataset(options,
                    Complaints("[custom] " + source_of(options).string(), options.strict)) {}

CustomDataset::CustomDataset(const CustomDatasetOptions& options, Complaints complaints)
    : RecordsDataset("custom", read_custom(options, complaints), options, complaints) {}

}  // namespace kestrel
