#include <kestrel/engine/hooks/tensorboard_logger_hook.h>

#include <vector>

namespace kestrel {
namespace {

const HookRegistration<TensorboardLoggerHook, LoggerOptions> kTensorboard{
    "TensorboardLoggerHook", "writes events for TensorBoard"};

void remove_event_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) {
      files.push_back(entry.path());
    }
  }
  for (const auto& file : files) std::filesystem::remove(file);
}

}  // namespace

TensorboardLoggerHook::TensorboardLoggerHook(const LoggerOptions& options,
                                             const HookContext& context)
    : LoggerHook(options, context), folder_(context.folder) {}

void TensorboardLoggerHook::before_run(Runner& runner) {
  if (runner.iter() == 0) remove_event_files(folder_);
  file_.emplace(folder_, runner.iter() + 1);
}

void TensorboardLoggerHook::write(const HistoryRecord& record) {
  NamedValues values;
  for (const auto& [name, value] : record.values) {
    values.emplace_back(name == "lr" ? "learning_rate" : record.mode + "/" + name, value);
  }
  if (file_) file_->add_scalars(record.iter, values);
}

}  // namespace kestrel
