#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>

#include <kestrel/data/check_dataset.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel {
namespace {

constexpr size_t kNumSizes = 11;  // up to 2, 4, ... 1024 pixels, and above

void count_objects(const Dataset& dataset, DatasetReport& report) {
  report.images = dataset.size();
  report.dropped = dataset.num_dropped();
  report.past_edge = dataset.num_past_edge();
  report.class_objects.assign(dataset.class_names().size(), 0);
  report.class_images.assign(dataset.class_names().size(), 0);
  report.box_sizes.assign(kNumSizes, 0);
  std::vector<int64_t> last_image(dataset.class_names().size(), -1);
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto annotations = dataset.annotations(i);
    report.objects += static_cast<int64_t>(annotations.size());
    report.empty += annotations.empty();
    for (const Annotation& a : annotations) {
      const auto label = static_cast<size_t>(a.label);
      ++report.class_objects[label];
      report.class_images[label] += last_image[label] != i;
      last_image[label] = i;
      const double side = std::sqrt(std::max(0.0, a.bbox[2] * a.bbox[3]));
      size_t bin = 0;
      while (bin + 1 < kNumSizes && side >= std::exp2(static_cast<double>(bin + 1))) ++bin;
      ++report.box_sizes[bin];
    }
  }
}

/// What there is to say of an image's file.
struct Finding {
  std::string missing, corrupt, other_size;
};

Finding check_image(const Dataset& dataset, int64_t index, bool decode) {
  const ImageInfo& info = dataset.info(index);
  Finding finding;
  std::error_code code;
  const bool exists = std::filesystem::exists(info.file, code);
  try {
    ImageSize size;
    if (decode || !exists) {  // generated images have no file, but load
      const Image image = dataset.load(index);
      size = {image.height, image.width};
    } else {
      size = read_image_size(info.file);
    }
    if (size.width != info.width || size.height != info.height) {
      finding.other_size = fmt::format("{}: is {}x{}, annotated as {}x{}", info.file, size.width,
                                       size.height, info.width, info.height);
    }
  } catch (const DataError& error) {
    (exists ? finding.corrupt : finding.missing) = exists ? error.what() : info.file;
  }
  return finding;
}

std::string bar(int64_t count, int64_t most) {
  constexpr double kLongest = 40;
  const double share = most > 0 ? static_cast<double>(count) / static_cast<double>(most) : 0;
  const auto length = static_cast<size_t>(std::ceil(share * kLongest));
  return length == 0 ? "" : "  " + std::string(length, '#');
}

int64_t largest(const std::vector<int64_t>& counts) {
  return counts.empty() ? 0 : *std::ranges::max_element(counts);
}

std::string listed(const char* what, const std::vector<std::string>& items) {
  constexpr size_t kShown = 20;
  if (items.empty()) return {};
  std::string text = fmt::format("  {}:\n", what);
  for (size_t i = 0; i < std::min(kShown, items.size()); ++i) text += "    " + items[i] + "\n";
  if (items.size() > kShown) text += fmt::format("    and {} more\n", items.size() - kShown);
  return text;
}

/// A part and what opens it, or why it cannot be opened.
struct FoundPart {
  Split split;
  DatasetOptions options;
  std::string problem;
};

std::vector<FoundPart> find_parts(const std::string& name_or_path, const std::vector<Split>& splits,
                                  const RecogniseOptions& known) {
  std::vector<FoundPart> parts;
  if (is_generated_set(name_or_path)) {
    for (const Split split : splits) {
      parts.push_back({split, ShapesDatasetOptions{.split = to_string(split)}, ""});
    }
    return parts;
  }
  const auto folder = find_dataset(name_or_path);
  std::optional<DataError> first_error;
  for (const Split split : splits) {
    try {
      const DatasetOptions options = recognise(folder, split, known);
      const auto is_same = [&](const FoundPart& part) {
        return part.problem.empty() && to_config(part.options) == to_config(options);
      };
      if (std::ranges::none_of(parts, is_same)) parts.push_back({split, options, ""});
    } catch (const DataError& error) {
      if (!first_error) first_error = error;
      parts.push_back({split, {}, error.what()});
    }
  }
  const auto is_wrong = [](const FoundPart& part) { return !part.problem.empty(); };
  if (first_error && std::ranges::all_of(parts, is_wrong)) throw DataError(*first_error);
  return parts;
}

std::unique_ptr<Dataset> open_part(const FoundPart& part, const std::vector<std::string>& classes) {
  DatasetOptions options = part.options;
  std::visit(
      [&](auto& o) {
        o.classes = classes;
        if constexpr (requires { o.test_mode; }) o.test_mode = true;
      },
      options);
  return make_dataset(options);
}

}  // namespace

DatasetReport check_dataset(const Dataset& dataset, const CheckOptions& options) {
  DatasetReport report;
  count_objects(dataset, report);
  std::vector<Finding> findings(static_cast<size_t>(dataset.size()));
  std::mutex mutex;
  int64_t done = 0;
  parallel_for(dataset.size(), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      findings[static_cast<size_t>(i)] = check_image(dataset, i, options.decode);
    }
    const std::lock_guard lock(mutex);
    done += end - begin;
    if (options.progress) options.progress(done, dataset.size());
  });
  for (Finding& f : findings) {
    if (!f.missing.empty()) report.missing.push_back(std::move(f.missing));
    if (!f.corrupt.empty()) report.corrupt.push_back(std::move(f.corrupt));
    if (!f.other_size.empty()) report.other_size.push_back(std::move(f.other_size));
  }
  return report;
}

std::vector<OpenPart> check_parts(const std::string& name_or_path, const std::vector<Split>& splits,
                                  const CheckOptions& options,
                                  const std::function<void(const PartReport&)>& found) {
  std::vector<OpenPart> open;
  std::vector<std::string> classes;
  for (const FoundPart& part : find_parts(name_or_path, splits, options.recognise)) {
    PartReport out{.split = part.split, .report = {}, .problem = part.problem};
    std::unique_ptr<Dataset> dataset;
    try {
      if (out.problem.empty()) dataset = open_part(part, classes);
    } catch (const DataError& error) {
      out.problem = error.what();
    }
    if (dataset) {
      if (classes.empty()) classes = dataset->class_names();
      out.dataset = dataset.get();
      out.report = check_dataset(*dataset, options);
    }
    found(out);
    if (dataset) open.push_back({part.split, std::move(dataset)});
  }
  return open;
}

std::string report_text(const Dataset& dataset, const DatasetReport& report) {
  const auto missing = static_cast<int64_t>(report.missing.size());
  std::string text = fmt::format(
      "  images    {} found, {} missing, {} corrupt, {} of another size than annotated, {} empty "
      "(without an object)\n"
      "  objects   {} of {} classes; {} images or annotations dropped\n",
      report.images - missing, missing, report.corrupt.size(), report.other_size.size(),
      report.empty, report.objects, dataset.num_classes(), report.dropped);
  if (report.past_edge > 0) {
    text += fmt::format("  boxes     {} reach past their images\n", report.past_edge);
  }
  if (report.empty > 0) {
    text += fmt::format("  empty     in training {} (filter_empty_gt: {})\n",
                        dataset.leaves_out_empty() ? "left out" : "background",
                        dataset.leaves_out_empty());
  }
  text += listed("missing", report.missing) + listed("corrupt", report.corrupt) +
          listed("of another size", report.other_size);

  size_t width = 5;
  for (const std::string& name : dataset.class_names()) width = std::max(width, name.size());
  text += fmt::format("\n  {:<{}}  {:>8}  {:>8}\n", "class", width, "objects", "images");
  for (size_t i = 0; i < report.class_objects.size(); ++i) {
    text += fmt::format("  {:<{}}  {:>8}  {:>8}{}\n", dataset.class_names()[i], width,
                        report.class_objects[i], report.class_images[i],
                        bar(report.class_objects[i], largest(report.class_objects)));
  }
  text += "\n  box size (square root of the area, in pixels)\n";
  const auto is_filled = [](int64_t count) { return count > 0; };
  const auto& sizes = report.box_sizes;
  const auto first = std::ranges::find_if(sizes, is_filled);
  const auto last = std::find_if(sizes.rbegin(), sizes.rend(), is_filled).base();
  for (auto bin = first; bin < last; ++bin) {
    const auto i = bin - sizes.begin();
    const std::string range = bin + 1 == sizes.end()
                                  ? fmt::format("{} or more", 1 << i)
                                  : fmt::format("{} to {}", i == 0 ? 0 : 1 << i, 2 << i);
    text += fmt::format("  {:>12}  {:>8}{}\n", range, *bin, bar(*bin, largest(sizes)));
  }
  return text;
}

}  // namespace kestrel
