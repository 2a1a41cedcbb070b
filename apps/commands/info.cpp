#include "info.h"

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/registry/plugin.h>
#include <kestrel/registry/registry.h>

#include "../plugins.h"
#include "../run_options.h"

namespace kestrel::apps {
namespace {

struct InfoCommand {
  std::string config;
  std::vector<std::string> overrides;
  bool json = false;
};

struct Count {
  int64_t all = 0;
  int64_t trained = 0;
};

/// img_scale of the transforms of a test image: width and height.
const Config* find_scale(const Config& node) {
  if (node.is_map()) {
    if (const Config* scale = node.find("img_scale")) return scale;
    for (const Config::Entry& entry : node.entries()) {
      if (const Config* scale = find_scale(entry.value)) return scale;
    }
  } else if (node.is_list()) {
    for (const Config& item : node.items()) {
      if (const Config* scale = find_scale(item)) return scale;
    }
  }
  return nullptr;
}

Config input_size(const Config& config) {
  const Config* node = &config;
  for (const char* key : {"data", "test", "pipeline"}) {
    node = node->is_map() ? node->find(key) : nullptr;
    if (!node) return {};
  }
  const Config* scale = find_scale(*node);
  return scale ? *scale : Config();
}

void print_info(const InfoCommand& o) {
  Config config = Config::load(o.config);
  for (const std::string& assignment : o.overrides) config.apply_override(assignment);
  load_plugins(config);
  const auto model = build<BaseDetector>(config.at("model"));
  std::vector<std::string> parts;
  std::map<std::string, Count> counts;
  Count total;
  for (const auto& [name, parameter] : model->named_parameters()) {
    const std::string part = name.substr(0, name.find('.'));
    if (!counts.contains(part)) parts.push_back(part);
    const int64_t size = parameter.numel();
    for (Count* count : {&counts[part], &total}) {
      count->all += size;
      if (parameter.requires_grad()) count->trained += size;
    }
  }
  const std::string type = config.at("model").at("type").as_string();
  const Config input = input_size(config);
  if (o.json) {
    Config info = Config::map(), children = Config::map();
    const auto to_map = [](const Count& count) {
      Config map = Config::map();
      map.set("parameters", count.all);
      map.set("trainable", count.trained);
      return map;
    };
    for (const std::string& part : parts) children.set(part, to_map(counts[part]));
    info = to_map(total);
    info.set("type", type);
    info.set("children", children);
    info.set("input", input);
    std::printf("%s\n", info.to_json().c_str());
    return;
  }
  std::printf("%s\n\n%-20s %14s %14s\n", type.c_str(), "part", "parameters", "trainable");
  const auto row = [](const std::string& name, const Count& count) {
    std::printf("%-20s %14lld %14lld\n", name.c_str(), static_cast<long long>(count.all),
                static_cast<long long>(count.trained));
  };
  for (const std::string& part : parts) row(part, counts[part]);
  row("all", total);
  if (!input.is_null()) std::printf("\ntested at %s (width, height)\n", input.to_json().c_str());
}

}  // namespace

void add_info(CLI::App& app) {
  auto o = std::make_shared<InfoCommand>();
  CLI::App* command =
      app.add_subcommand("info", "the model that a config describes: parameters of its parts");
  command->add_option("config", o->config, kConfigHelp)->required()->check(CLI::ExistingFile);
  command->add_option("--set", o->overrides, "change the config: a.b.c=value ...")->take_all();
  command->add_flag("--json", o->json, "as one line of JSON");
  add_plugin_option(*command);
  command->callback([o] { print_info(*o); });
}

}  // namespace kestrel::apps
