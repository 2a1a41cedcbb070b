#include <kestrel/engine/diagnosis/diagnosis.h>

#include <cmath>
#include <map>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kestrel/inference/weights.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/safetensors.h>

namespace kestrel {
namespace {

constexpr const char* kReplay = "replay";
constexpr std::string_view kWeightsPrefix = "model.";

bool is_finite(const Tensor& tensor) {
  if (!tensor.defined() || !is_floating(tensor.dtype())) return true;
  const Tensor host = tensor.to(Device::cpu()).to(DType::Float32);
  return std::ranges::all_of(host.values<float>(), [](float x) { return std::isfinite(x); });
}

/// Watches what functions are given and return, under the names of the modules that own their
/// parameters.
class LayerWatch {
 public:
  explicit LayerWatch(const Module& model) {
    for (const auto& [name, parameter] : model.named_parameters()) {
      owners_[parameter.data().raw()] = name.substr(0, name.rfind('.'));
    }
  }

  void operator()(const char* op, std::span<const Variable> inputs,
                  std::span<const Tensor> outputs) {
    std::string owner;
    bool only_parameters = true;
    for (const Variable& input : inputs) {
      if (!input) continue;
      const auto found = owners_.find(input.data().raw());
      if (found == owners_.end()) only_parameters = false;
      if (found != owners_.end() && owner.empty()) owner = found->second;
    }
    if (!owner.empty()) last_ = owner;
    for (const Tensor& output : outputs) {
      // What is made of parameters alone, such as folded weights, belongs to their owner. Kept, so
      // that no other tensor gets its memory.
      if (only_parameters && !owner.empty() && output.defined()) {
        owners_[output.raw()] = owner;
        kept_.push_back(output);
      }
      if (!first_.empty() || is_finite(output)) continue;
      first_ = !owner.empty()  ? fmt::format("{} ({})", owner, op)
               : last_.empty() ? std::string(op)
                               : fmt::format("{}, after {}", op, last_);
    }
  }

  const std::string& first() const { return first_; }

 private:
  std::map<const void*, std::string> owners_;
  std::vector<Tensor> kept_;
  std::string last_;
  std::string first_;
};

nlohmann::json to_json(const ImageMeta& m) {
  return {{"file", m.file},
          {"id", m.id},
          {"ori", {m.ori_height, m.ori_width}},
          {"img", {m.img_height, m.img_width}},
          {"pad", {m.pad_height, m.pad_width}},
          {"scale", {m.scale_x, m.scale_y}},
          {"flipped", m.flipped}};
}

ImageMeta to_meta(const nlohmann::json& json) {
  ImageMeta m;
  m.file = json.at("file");
  m.id = json.at("id");
  m.ori_height = json.at("ori").at(0);
  m.ori_width = json.at("ori").at(1);
  m.img_height = json.at("img").at(0);
  m.img_width = json.at("img").at(1);
  m.pad_height = json.at("pad").at(0);
  m.pad_width = json.at("pad").at(1);
  m.scale_x = json.at("scale").at(0);
  m.scale_y = json.at("scale").at(1);
  m.flipped = json.at("flipped");
  return m;
}

std::string truth_name(size_t i, const char* part) {
  return fmt::format("truths.{}.{}", i, part);
}

struct Replay {
  std::unique_ptr<BaseDetector> model;
  Batch batch;
  nlohmann::json info;
};

Replay read_replay(const std::filesystem::path& path, Device device) {
  const Safetensors file = read_safetensors(path);
  const auto found = file.metadata.find(kReplay);
  if (found == file.metadata.end()) {
    fail<ModelFileError>(path.string(),
                         ": is no dump of a training step (they are named not_finite_*)");
  }
  Replay replay;
  try {
    replay.info = nlohmann::json::parse(found->second);
    for (const nlohmann::json& meta : replay.info.at("images")) {
      replay.batch.metas.push_back(to_meta(meta));
    }
  } catch (const nlohmann::json::exception& error) {
    fail<ModelFileError>(path.string(), ": ", error.what());
  }
  replay.batch.images = file.at("images").to(device);
  for (size_t i = 0; i < replay.batch.metas.size(); ++i) {
    replay.batch.truths.push_back({.boxes = file.at(truth_name(i, "boxes")).clone(),
                                   .labels = file.at(truth_name(i, "labels")).clone()});
    for (const auto& [name, tensor] : file.tensors) {  // earlier versions did not write it
      if (name == truth_name(i, "ignored")) replay.batch.truths.back().ignored = tensor.clone();
    }
  }
  const ModelFile stored = read_model_file(path);
  replay.model = build<BaseDetector>(stored.config.at("model"));
  StateDict weights;
  for (const auto& [name, tensor] : file.tensors) {
    if (name.starts_with(kWeightsPrefix))
      weights.emplace_back(name.substr(kWeightsPrefix.size()), tensor);
  }
  replay.model->load_state_dict(weights);
  replay.model->to(device);
  replay.model->train();
  return replay;
}

}  // namespace

std::string first_not_finite(BaseDetector& model, const Batch& batch) {
  if (!is_finite(batch.images)) return "the batch's pixels";
  for (const auto& [name, tensor] : model.state_dict()) {
    if (!is_finite(tensor)) return name + " itself, before the forward pass";
  }
  model.state_changed();  // Nothing folded before is used.
  LayerWatch watch(model);
  const autograd::Observe observe(std::ref(watch));
  model.losses(batch);
  return watch.first();
}

void write_replay(const std::filesystem::path& file, const Module& model, const Batch& batch,
                  const ReplayInfo& info) {
  Safetensors contents{.tensors = {{"images", batch.images}}, .metadata = info.metadata};
  nlohmann::json images = nlohmann::json::array();
  for (size_t i = 0; i < batch.metas.size(); ++i) {
    images.push_back(to_json(batch.metas[i]));
    contents.tensors.emplace_back(truth_name(i, "boxes"), batch.truths[i].boxes);
    contents.tensors.emplace_back(truth_name(i, "labels"), batch.truths[i].labels);
    if (const Tensor& ignored = batch.truths[i].ignored) {
      contents.tensors.emplace_back(truth_name(i, "ignored"), ignored);
    }
  }
  for (const auto& [name, tensor] : model.state_dict()) {
    contents.tensors.emplace_back(std::string(kWeightsPrefix) + name, tensor);
  }
  const nlohmann::json replay = {{"seed", info.seed},
                                 {"amp", info.amp},
                                 {"epoch", info.runner.epoch()},
                                 {"inner_iter", info.runner.inner_iter()},
                                 {"images", images}};
  contents.metadata[kReplay] =
      replay.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  write_safetensors(file, contents);
}

std::string explain_not_finite(const std::filesystem::path& folder, BaseDetector& model,
                               const Batch& batch, const ReplayInfo& info) {
  std::string images;
  for (const ImageMeta& meta : batch.metas) images += (images.empty() ? "" : ", ") + meta.file;
  const autograd::Autocast autocast(info.amp);
  const std::string layer = first_not_finite(model, batch);
  const auto file = folder / fmt::format("not_finite_{}.safetensors", info.runner.iter() + 1);
  std::string dump;
  try {
    write_replay(file, model, batch, info);
    dump = fmt::format("to reproduce it: kestrel train --replay {}", file.string());
  } catch (const Error& error) {
    dump = fmt::format("the step could not be kept: {}", error.what());
  }
  return fmt::format("\n  images: {}\n  {}\n  {}", images,
                     layer.empty() ? "every layer's output is finite: the gradients are not"
                                   : "the first that is not finite: " + layer,
                     dump);
}

void replay_step(const std::filesystem::path& file, Device device, const LogSink& log) {
  Replay replay = read_replay(file, device);
  const auto say = [&](const std::string& text) {
    if (log.line) log.line(text);
  };
  say(fmt::format("{}: epoch {}, iteration {}, seed {}", file.string(),
                  replay.info.at("epoch").get<int64_t>() + 1,
                  replay.info.at("inner_iter").get<int64_t>() + 1,
                  replay.info.at("seed").get<uint64_t>()));
  for (const ImageMeta& meta : replay.batch.metas) say("image " + meta.file);
  const autograd::Autocast autocast(replay.info.at("amp").get<bool>());
  bool finite = true;
  for (const auto& [name, loss] : replay.model->losses(replay.batch)) {
    const auto value = loss.data().item<double>();
    say(fmt::format("{} = {}", name, value));
    finite = finite && std::isfinite(value);
  }
  const std::string layer = first_not_finite(*replay.model, replay.batch);
  if (finite && layer.empty()) return say("everything is finite");
  fail<NonFiniteLossError>(file.string(), ": the first that is not finite: ", layer);
}

}  // namespace kestrel
