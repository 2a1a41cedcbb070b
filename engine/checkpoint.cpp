#include <kestrel/engine/checkpoint.h>

#include <charconv>

#include <kestrel/tensor/safetensors.h>

namespace kestrel {
namespace {

constexpr std::string_view kModel = "model.";
constexpr std::string_view kOptimizer = "optimizer.";
constexpr std::string_view kState = "state.";

void add_with_prefix(std::string_view prefix, const StateDict& state, Safetensors& file) {
  for (const auto& [name, tensor] : state) {
    file.tensors.emplace_back(std::string(prefix) + name, tensor);
  }
}

StateDict with_prefix(std::string_view prefix, const Safetensors& file) {
  StateDict state;
  for (const auto& [name, tensor] : file.tensors) {
    if (name.starts_with(prefix)) state.emplace_back(name.substr(prefix.size()), tensor);
  }
  return state;
}

int64_t read_count(const Safetensors& file, const std::string& key,
                   const std::filesystem::path& path) {
  const auto found = file.metadata.find(key);
  int64_t value = -1;
  if (found != file.metadata.end()) {
    const std::string& text = found->second;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || stop != text.data() + text.size()) value = -1;
  }
  if (value < 0) {
    fail<ModelFileError>(path.string(), ": holds no '", key,
                         "'; it is not a file that a run can continue from (those are named "
                         "resume.safetensors)");
  }
  return value;
}

}  // namespace

Checkpointer::Checkpointer(Module& model, Optimizer& optimizer, std::filesystem::path folder,
                           std::map<std::string, std::string> metadata)
    : model_(model),
      optimizer_(optimizer),
      folder_(std::move(folder)),
      metadata_(std::move(metadata)) {}

std::filesystem::path Checkpointer::save_weights(const std::string& name,
                                                 const Runner& runner) const {
  Safetensors file{.tensors = model_.state_dict(), .metadata = metadata_};
  file.metadata["epoch"] = std::to_string(runner.finished_epochs());
  const std::filesystem::path path = folder_ / name;
  write_safetensors(path, file);
  return path;
}

std::filesystem::path Checkpointer::save_resume(const std::string& name,
                                                const Runner& runner) const {
  Safetensors file{.tensors = {}, .metadata = metadata_};
  add_with_prefix(kModel, model_.state_dict(), file);
  add_with_prefix(kOptimizer, optimizer_.state_dict(), file);
  file.metadata["epoch"] = std::to_string(runner.finished_epochs());
  file.metadata["epoch_length"] = std::to_string(runner.epoch_length());
  for (const auto& [key, value] : runner.state) file.metadata[std::string(kState) + key] = value;
  const std::filesystem::path path = folder_ / name;
  write_safetensors(path, file);
  return path;
}

void Checkpointer::resume(const std::filesystem::path& path, Runner& runner) const {
  const Safetensors file = read_safetensors(path);
  const int64_t epoch = read_count(file, "epoch", path);
  const int64_t epoch_length = read_count(file, "epoch_length", path);
  if (epoch_length != runner.epoch_length()) {
    fail<ModelFileError>(path.string(), ": was written by a run with ", epoch_length,
                         " iterations per epoch, this one has ", runner.epoch_length(),
                         "; continue with the same data and batch size");
  }
  model_.load_state_dict(with_prefix(kModel, file));
  optimizer_.load_state_dict(with_prefix(kOptimizer, file));
  runner.resume(epoch);
  for (const auto& [key, value] : file.metadata) {
    if (key.starts_with(kState)) runner.state[key.substr(kState.size())] = value;
  }
}

}  // namespace kestrel
