#include "convert_data.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <kestrel/data/convert/convert.h>
#include <kestrel/data/datasets/layout_parts.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/kernels/error.h>

#include "../data_options.h"
#include "../program.h"

namespace kestrel::apps {
namespace {

struct ConvertDataOptions {
  std::string in;
  std::string out;
  std::string to;
  bool link = false;
  RecogniseOptions recognise;
};

DataForm form_named(const std::string& name) {
  for (const auto& [form, known] : enum_names(DataForm{})) {
    if (name == known) return form;
  }
  fail<UsageError>("[convert-data] --to must be coco, voc, yolo, labelme or middle, got ", name);
}

/// The parts that are sets of their own; val and test may stand in for each other.
std::vector<std::pair<Split, std::unique_ptr<Dataset>>> open_parts(const ConvertDataOptions& o) {
  std::vector<std::pair<Split, std::unique_ptr<Dataset>>> parts;
  std::vector<Config> seen;
  for (const Split split : {Split::Train, Split::Val, Split::Test}) {
    OpenDatasetOptions open{.name_or_path = o.in, .split = split, .test_mode = true};
    open.with_mask = true;
    open.recognise = o.recognise;
    if (!parts.empty()) open.classes = parts.front().second->class_names();
    if (!is_generated_set(o.in)) {
      Config node;
      try {
        node = to_config(recognise(find_dataset(o.in), split, o.recognise));
      } catch (const DataError& error) {  // there is no such part
        console_log().line(std::string(to_string(split)) + ": left out, " + error.what());
        continue;
      }
      if (std::ranges::find(seen, node) != seen.end()) continue;
      seen.push_back(node);
    }
    parts.emplace_back(split, open_dataset(open));
  }
  if (parts.empty()) fail<DataError>("[convert-data] ", o.in, ": there is nothing to convert");
  return parts;
}

void run_convert_data(const ConvertDataOptions& o) {
  const DataForm form = form_named(o.to);
  if (!is_generated_set(o.in)) {
    const std::filesystem::path source = find_dataset(o.in);
    check_convert_target(has_directory(source) ? source : source.parent_path(), o.out);
  } else {
    check_convert_target("", o.out);
  }
  const auto parts = open_parts(o);
  DatasetWriter writer(form, o.out, parts.front().second->class_names(),
                       o.link ? PictureTransfer::Link : PictureTransfer::Copy);
  const LogSink log = console_log();
  for (const auto& [split, dataset] : parts) {
    int64_t objects = 0;
    for (int64_t i = 0; i < dataset->size(); ++i) objects += std::ssize(dataset->annotations(i));
    writer.write(*dataset, split);
    log.line(std::string(to_string(split)) + ": " + std::to_string(dataset->size()) +
             " pictures, " + std::to_string(objects) + " objects");
  }
  writer.finish();
  for (const auto& [what, count] : writer.losses()) {
    log.line("not kept: " + std::to_string(count) + " " + what);
  }
  log.line("written to " + o.out);
}

}  // namespace

void add_convert_data(CLI::App& app) {
  auto o = std::make_shared<ConvertDataOptions>();
  CLI::App* command = app.add_subcommand(
      "convert-data", "write a data set in another form, and say what that form cannot hold");
  command->add_option("in", o->in, "shapes, a name such as coco, a directory, or a YAML")
      ->required();
  command->add_option("out", o->out, "a folder that is empty or not there yet")->required();
  command->add_option("--to", o->to, "coco, voc, yolo, labelme, or middle (MMDetection's)")
      ->required()
      ->check(CLI::IsMember({"coco", "voc", "yolo", "labelme", "middle"}));
  command->add_flag("--link", o->link, "hard links to the pictures instead of copies");
  add_data_options(*command, o->recognise);
  command->callback([o] { run_convert_data(*o); });
}

}  // namespace kestrel::apps
