#include "dump.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <kestrel/inference/weights.h>
#include <kestrel/kernels/layout.h>

namespace kestrel::parity {
namespace {

std::vector<std::string> strings_of(const Config& list) {
  std::vector<std::string> strings;
  if (list.size() == 0) return strings;  // "null" too, which reads as an empty config
  for (const Config& item : list.items()) strings.push_back(item.as_string());
  return strings;
}

ImageMeta meta_of(const Config& node, int64_t id) {
  ImageMeta meta;
  meta.file = node.at("filename").as_string();
  meta.id = id;
  const auto size = [&](const char* key, int64_t& height, int64_t& width) {
    const auto shape = node.at(key).items();
    height = shape[0].as_int();
    width = shape[1].as_int();
  };
  size("ori_shape", meta.ori_height, meta.ori_width);
  size("img_shape", meta.img_height, meta.img_width);
  size("pad_shape", meta.pad_height, meta.pad_width);
  const auto scale = node.at("scale_factor").items();
  meta.scale_x = static_cast<float>(scale[0].as_float());
  meta.scale_y = static_cast<float>(scale[1].as_float());
  meta.flipped = node.at("flip").as_bool();
  return meta;
}

Batch batch_of(const Dump& dump, const Config& metas) {
  Batch batch;
  batch.images = channels_last(dump.file.at("input/images"));
  for (int64_t i = 0; i < metas.size(); ++i) {
    batch.metas.push_back(meta_of(metas.items()[static_cast<size_t>(i)], i));
    const std::string image = "." + std::to_string(i);
    GroundTruth truth;
    truth.boxes = dump.file.at("input/gt_bboxes" + image).clone();
    truth.labels = dump.file.at("input/gt_labels" + image).clone();
    batch.truths.push_back(std::move(truth));
  }
  return batch;
}

/// Keys that MMDetection's constructors add to the config they are given.
bool is_added(std::string_view key) {
  constexpr std::array<std::string_view, 3> kAdded = {"train_cfg", "test_cfg", "pretrained"};
  return std::ranges::find(kAdded, key) != kAdded.end();
}

/// `own` with the values that the dump sets on purpose; other differences are noted.
Config reconcile(const Config& own, const Config& dumped, const std::string& key,
                 std::vector<std::string>& differences) {
  if ((key == "init_cfg" || key == "pretrained") && dumped.is_null()) return own;
  const auto is_lower = [&] {
    const auto is_number = [](const Config& node) {
      return node.kind() == Config::Kind::Int || node.kind() == Config::Kind::Float;
    };
    return is_number(own) && is_number(dumped) && dumped.as_float() <= own.as_float();
  };
  if ((key == "score_thr" || key == "num" || key == "max_per_img") && is_lower()) return dumped;
  if (key == "type" && own.is_string() && own.as_string().ends_with("SyncBN") &&
      dumped == Config("BN")) {
    return dumped;
  }
  if (own.is_map() && dumped.is_map()) {
    Config result = own;
    for (const Config::Entry& entry : own.entries()) {
      const Config* other = dumped.find(entry.key);
      if (other) {
        result.set(entry.key, reconcile(entry.value, *other, entry.key, differences));
      } else {
        differences.push_back(entry.value.path() + " is in the config alone");
      }
    }
    for (const Config::Entry& entry : dumped.entries()) {
      if (own.contains(entry.key) || is_added(entry.key)) continue;
      differences.push_back(entry.value.path() + " is in the dump alone");
    }
    return result;
  }
  if (own.is_list() && dumped.is_list() && own.size() == dumped.size()) {
    Config result = Config::list();
    for (size_t i = 0; i < own.items().size(); ++i) {
      result.push_back(reconcile(own.items()[i], dumped.items()[i], "", differences));
    }
    return result;
  }
  if (!(own == dumped)) {
    differences.push_back(own.path() + " is " + own.describe() + " in the config, " +
                          dumped.describe() + " in the dump");
  }
  return own;
}

}  // namespace

Tensor channels_last(const Tensor& maps) {
  Tensor result =
      Tensor::empty({maps.size(0), maps.size(2), maps.size(3), maps.size(1)}, maps.dtype());
  cpu::nchw_to_nhwc(maps.view(), result.view());
  return result;
}

const Tensor* Dump::find(const std::string& name) const {
  const auto found = std::ranges::find_if(
      file.tensors, [&name](const auto& entry) { return entry.first == name; });
  return found == file.tensors.end() ? nullptr : &found->second;
}

StateDict Dump::with_prefix(const std::string& prefix) const {
  StateDict found;
  for (const auto& [name, tensor] : file.tensors) {
    if (name.starts_with(prefix)) found.emplace_back(name.substr(prefix.size()), tensor);
  }
  return found;
}

StateDict Dump::imported(const std::string& prefix) const {
  return import_tensors(with_prefix(prefix), "the dump of " + config);
}

Dump read_dump(const std::filesystem::path& path) {
  Dump dump;
  dump.file = read_safetensors(path);
  const auto metadata = [&](const char* key) {
    const auto found = dump.file.metadata.find(key);
    if (found == dump.file.metadata.end()) {
      fail<ModelFileError>("[parity] ", path.string(), ": has no metadata '", key,
                           "'; dump_model.py writes files that have");
    }
    return Config::parse(found->second, path.string());
  };
  dump.config = metadata("config").as_string();
  dump.versions =
      "MMDetection " + metadata("mmdet").as_string() + ", torch " + metadata("torch").as_string();
  Config whole = Config::map();  // so that paths begin with "model"
  whole.set("model", metadata("model"));
  dump.model = whole.at("model");
  dump.overrides = strings_of(metadata("overrides"));
  dump.parameters = metadata("parameters").as_int();
  dump.trainable = metadata("trainable").as_int();
  dump.without_grad = strings_of(metadata("without_grad"));
  if (const auto bad = strings_of(metadata("not_finite")); !bad.empty()) {
    fail<ModelFileError>("[parity] ", path.string(), ": ", bad.front(), " is not finite there");
  }
  dump.batch = batch_of(dump, metadata("img_metas"));
  return dump;
}

Config model_of(const Config& config, const Dump& dump) {
  Config changed = config;
  for (const std::string& assignment : dump.overrides) changed.apply_override(assignment);
  std::vector<std::string> differences;
  Config model = reconcile(changed.at("model"), dump.model, "model", differences);
  if (differences.empty()) return model;
  std::string text;
  for (const std::string& difference : differences) text += "\n  " + difference;
  fail<UsageError>("[parity] the dump is of another model than the config describes:", text);
}

}  // namespace kestrel::parity
