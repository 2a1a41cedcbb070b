// A run that mostly saves: three numbers are trained for a few steps, saved after every second one.
// saving_run FOLDER: begins, or goes on if FOLDER has something to resume. Prints the final
// weights; exit code 1 if they could not be saved.

#include <cstdio>
#include <memory>

#include <kestrel/engine/hooks/checkpoint_hook.h>
#include <kestrel/engine/hooks/csv_logger_hook.h>
#include <kestrel/engine/hooks/ema_hook.h>
#include <kestrel/engine/hooks/eval_hook.h>
#include <kestrel/engine/hooks/optimizer_hook.h>
#include <kestrel/engine/optimizers/adam.h>
#include <kestrel/kernels/log.h>

#include "../engine/toy_task.h"

namespace {

using namespace kestrel;

/// Has every save written before the next step, so that every run does the same operations.
struct WaitHook : Hook {
  explicit WaitHook(Checkpointer& c) : checkpointer(c) {}
  void after_iter(Runner&) override { checkpointer.wait(); }
  void after_epoch(Runner&) override { checkpointer.wait(); }
  Checkpointer& checkpointer;
};

int train(const std::filesystem::path& folder) {
  constexpr int64_t kEpochs = 2;
  ToyModel model;
  ToyTask task(model, 3, 2);
  Adam optimizer({.lr = 0.01}, make_param_groups(model));
  const auto checkpointer = std::make_shared<Checkpointer>(model, optimizer, folder);
  const auto ema = std::make_shared<ExpMomentumEmaHook>(ExpMomentumEmaOptions{}, model);
  checkpointer->use_weights([&] { return ema->weights(); });
  const CheckpointOptions checkpoints{.interval = 2, .by_epoch = false};
  Runner runner(task, kEpochs);
  runner.add_hook(
      std::make_shared<OptimizerHook>(optimizer, OptimizerHookOptions{.cumulative_iters = 2}),
      Priority::AboveNormal);
  runner.add_hook(ema);
  runner.add_hook(std::make_shared<CheckpointHook>(checkpointer, checkpoints));
  runner.add_hook(std::make_shared<EvalHook>(
                      [](Runner& r) {
                        return NamedValues{{"ap", static_cast<double>(r.epoch())}};
                      },
                      EvalOptions{}, checkpointer),
                  Priority::Low);
  runner.add_hook(std::make_shared<CsvLoggerHook>(folder / "results.csv"), Priority::VeryLow);
  runner.add_hook(std::make_shared<ResumeHook>(checkpointer, checkpoints), Priority::Lowest);
  runner.add_hook(std::make_shared<WaitHook>(*checkpointer), Priority::Lowest);
  const std::filesystem::path state = resume_file(folder);
  if (std::filesystem::exists(state) || std::filesystem::exists(previous_resume_file(state))) {
    checkpointer->resume(state, runner);
  }
  runner.run();
  checkpointer->save_weights("last.safetensors", runner);
  checkpointer->finish();
  for (const StateDict& state_dict : {model.state_dict(), ema->weights()}) {
    for (const float w : state_dict[0].second.values<float>()) {
      std::printf("%a ", static_cast<double>(w));
    }
  }
  std::printf("\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  set_warning_sink([](std::string_view text) {
    std::fprintf(stderr, "warning: %.*s\n", static_cast<int>(text.size()), text.data());
  });
  try {
    return train(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
