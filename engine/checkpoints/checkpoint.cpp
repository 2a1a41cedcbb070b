#include <kestrel/engine/checkpoints/checkpoint.h>

#include <charconv>

#include <fmt/format.h>

#include <kestrel/kernels/log.h>

namespace kestrel {
namespace {

constexpr std::string_view kModelPrefix = "model.";
constexpr std::string_view kOptimizer = "optimizer.";

/// Copies on the CPU: the originals change as training goes on.
void add_copies(std::string_view prefix, const StateDict& state, Safetensors& file) {
  for (const auto& [name, tensor] : state) {
    file.tensors.emplace_back(std::string(prefix) + name, tensor.device().is_cuda()
                                                              ? tensor.to(Device::cpu())
                                                              : tensor.clone());
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
      metadata_(std::move(metadata)),
      weights_([this] { return model_.state_dict(); }) {}

void Checkpointer::save_weights(const std::string& name, const Runner& runner,
                                const std::vector<std::string>& obsolete) {
  Safetensors file{.tensors = {}, .metadata = metadata_};
  add_copies("", weights_(), file);
  const Position position = runner.resume_point();
  file.metadata["epoch"] = std::to_string(runner.finished_epochs());
  file.metadata["iter"] =
      std::to_string(position.epoch * runner.epoch_length() + position.inner_iter);
  CheckpointWriter::Job job{.file = weights_file(name), .contents = std::move(file)};
  for (const std::string& old : obsolete) job.obsolete.push_back(weights_file(old));
  writer_.write(std::move(job));
}

void Checkpointer::save_resume(const Runner& runner) {
  Safetensors file{.tensors = {}, .metadata = metadata_};
  add_copies(kModelPrefix, model_.state_dict(), file);
  add_copies(kOptimizer, optimizer_.state_dict(), file);
  runner.save(file);
  const Position position = runner.resume_point();
  file.metadata["epoch"] = std::to_string(position.epoch);
  file.metadata["inner_iter"] = std::to_string(position.inner_iter);
  file.metadata["epoch_length"] = std::to_string(runner.epoch_length());
  const std::filesystem::path path = resume_file(folder_);
  writer_.write(
      {.file = path, .contents = std::move(file), .previous = previous_resume_file(path)});
}

void Checkpointer::resume(const std::filesystem::path& path, Runner& runner,
                          bool any_epoch_length) {
  const Safetensors file = read_resume_file(path);
  Position position{.epoch = read_count(file, "epoch", path),
                    .inner_iter = read_count(file, "inner_iter", path)};
  const int64_t epoch_length = read_count(file, "epoch_length", path);
  if (position.inner_iter > epoch_length) {
    fail<ModelFileError>(path.string(), ": iteration ", position.inner_iter, " of an epoch of ",
                         epoch_length);
  }
  if (position.inner_iter > 0 && epoch_length != runner.epoch_length()) {
    if (!any_epoch_length) {
      fail<ModelFileError>(path.string(), ": was written within an epoch of ", epoch_length,
                           " iterations, this run has ", runner.epoch_length(),
                           " per epoch; continue with the same data and batch size");
    }
    position.inner_iter = position.inner_iter * runner.epoch_length() / epoch_length;
  }
  model_.load_state_dict(with_prefix(kModelPrefix, file));
  optimizer_.load_state_dict(with_prefix(kOptimizer, file));
  runner.load(file);
  runner.resume(position);
}

std::filesystem::path resume_file(const std::filesystem::path& folder) {
  return folder / "resume.safetensors";
}

std::filesystem::path previous_resume_file(const std::filesystem::path& file) {
  std::filesystem::path previous = file;
  return previous.replace_extension(".previous" + file.extension().string());
}

Safetensors read_resume_file(const std::filesystem::path& file) {
  try {
    return read_safetensors(file);
  } catch (const ModelFileError& error) {
    const std::filesystem::path previous = previous_resume_file(file);
    if (!std::filesystem::exists(previous)) throw;
    Safetensors contents = read_safetensors(previous);
    warn(fmt::format("{}; continuing from the save before, {}", error.what(), previous.string()));
    return contents;
  }
}

}  // namespace kestrel
