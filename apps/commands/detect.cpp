#include "detect.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/data/file.h>
#include <kestrel/detection/evaluation/coco_results.h>
#include <kestrel/engine/records/output_file.h>
#include <kestrel/engine/records/pictures.h>
#include <kestrel/engine/records/run_folder.h>
#include <kestrel/inference/detector.h>
#include <kestrel/kernels/log.h>

#include "../plugins.h"
#include "../program.h"
#include "../run_options.h"

namespace kestrel::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kResultsName = "coco_results.json";

struct Options {
  std::string weights;
  std::vector<std::string> sources;
  std::string out;
  std::string device = "cpu";
  double score = 0.3;
  int64_t threads = 0;
  bool amp = false;
};

/// Files of kinds that are not read: "3 pictures ... are left out: a.heic, b.gif, c.gif".
void tell_of_others(const std::string& folder, std::vector<std::string> names) {
  constexpr size_t kMostNamed = 5;
  if (names.empty()) return;
  std::ranges::sort(names);
  std::string text = "[detect] " + folder + ": " + std::to_string(names.size()) +
                     (names.size() == 1 ? " picture of a kind that is not read is left out: "
                                        : " pictures of kinds that are not read are left out: ");
  for (size_t i = 0; i < std::min(names.size(), kMostNamed); ++i) {
    text += (i > 0 ? ", " : "") + names[i];
  }
  if (names.size() > kMostNamed) {
    text += " and " + std::to_string(names.size() - kMostNamed) + " more";
  }
  warn(text + "; convert them to JPEG or PNG");
}

/// The pictures that the sources name; of a directory all in it.
std::vector<fs::path> pictures_of(const std::vector<std::string>& sources) {
  std::vector<fs::path> files;
  for (const std::string& source : sources) {
    if (!fs::is_directory(source)) {
      files.emplace_back(source);
      continue;
    }
    const size_t before = files.size();
    std::vector<std::string> others;
    for (const auto& entry : fs::directory_iterator(source)) {
      if (has_picture_name(entry.path())) files.push_back(entry.path());
      if (has_unread_picture_name(entry.path())) {
        others.push_back(entry.path().filename().string());
      }
    }
    tell_of_others(source, std::move(others));
    if (files.size() == before) {
      fail<DataError>(
          "[detect] ", source,
          " has no pictures (.jpg, .png, .webp, .tif, .bmp, .tga, .ppm); folders in it are "
          "not looked into");
    }
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end());
  }
  return files;
}

/// A name for the annotated picture that no picture before took.
fs::path output_name(const fs::path& source, std::set<std::string>& taken) {
  std::string name = source.stem().string();
  for (int i = 2; !taken.insert(name).second; ++i) {
    name = source.stem().string() + "_" + std::to_string(i);
  }
  return name + ".jpg";
}

/// Where the annotated pictures go; none of them may take the place of what was not made here.
std::vector<fs::path> outputs_for(const std::vector<fs::path>& files, const fs::path& out) {
  if (holds_run(out)) {
    fail<UsageError>("[detect] --out ", out.string(),
                     " is the folder of a training run; choose another");
  }
  std::vector<fs::path> outputs;
  std::set<std::string> taken;
  for (const fs::path& file : files) outputs.push_back(out / output_name(file, taken));
  for (const fs::path& output : outputs) {
    check_output("detect", output, OutputKind::Picture, files);
  }
  check_output("detect", out / kResultsName, OutputKind::Results, files);
  return outputs;
}

void detect(const Options& o) {
  use_threads(o.threads);
  const std::vector<fs::path> files = pictures_of(o.sources);
  if (!o.out.empty()) outputs_for(files, o.out);  // before anything is made
  Detector detector =
      Detector::load(o.weights, {.device = parse_device(o.device), .bfloat16 = o.amp});
  const RunFolder folder =
      o.out.empty() ? RunFolder::make_next("detect") : RunFolder::open(o.out, true);
  const fs::path& out = folder.path();
  const std::vector<fs::path> outputs = outputs_for(files, out);
  std::vector<CocoEvalDetection> results;
  DetectTimes total;
  int64_t count = 0;
  int64_t unreadable = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    Image image;
    try {
      image = read_image(files[i]);
    } catch (const DataError& error) {
      warn(error.what());
      ++unreadable;
      continue;
    }
    DetectTimes times;
    const auto objects =
        detector.detect(image, {.score_threshold = static_cast<float>(o.score)}, &times);
    std::vector<DrawnBox> boxes;
    for (const Object& object : objects) {
      char caption[16];
      std::snprintf(caption, sizeof caption, " %.2f", static_cast<double>(object.score));
      boxes.push_back({object.box, object.class_id, object.label + caption});
      CocoEvalDetection result;
      result.image_id = static_cast<int64_t>(i) + 1;
      result.category_id = object.class_id + 1;
      result.score = static_cast<double>(object.score);
      result.bbox = {object.box.x1, object.box.y1, object.box.width(), object.box.height()};
      results.push_back(std::move(result));
    }
    write_result_picture(outputs[i], draw_boxes(image, boxes));
    std::printf("%s: %zu object%s\n", files[i].c_str(), objects.size(),
                objects.size() == 1 ? "" : "s");
    ++count;
    if (count == 1 && files.size() > 1) continue;  // the first one packs the weights
    total.preprocess += times.preprocess;
    total.inference += times.inference;
    total.postprocess += times.postprocess;
  }
  if (count == 0) {
    fail<DataError>("[detect] none of ", files.size(), " pictures could be read; the first is ",
                    files.front().string());
  }
  const std::string text = coco_results_json(results);
  write_file("detect", out / kResultsName, std::as_bytes(std::span(text)));
  const auto timed =
      static_cast<double>(std::max<int64_t>(1, files.size() > 1 ? count - 1 : count));
  std::printf("%.1f ms pre-processing, %.1f ms inference, %.1f ms post-processing per image; %s\n",
              total.preprocess / timed, total.inference / timed, total.postprocess / timed,
              out.c_str());
  if (unreadable > 0) {
    std::printf("%lld of %zu pictures could not be read\n", static_cast<long long>(unreadable),
                files.size());
  }
}

}  // namespace

void add_detect(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "detect",
      "find objects: annotated pictures and coco_results.json (image_id: place in the "
      "list of sources, from 1; category_id: class, from 1)");
  command->add_option("--weights", o->weights, "a file that Kestrel wrote")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("source", o->sources, "pictures or directories of pictures")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option("--out", o->out, "folder for the results [runs/detectN]");
  command->add_option("--score", o->score, "leave out objects below this score")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--device", o->device, "cpu, cuda or cuda:N")->capture_default_str();
  command->add_option("--threads", o->threads, "CPU threads; 0: all cores");
  command->add_flag("--amp", o->amp, "compute in bfloat16");
  add_plugin_option(*command);
  command->callback([o] { detect(*o); });
}

}  // namespace kestrel::apps
