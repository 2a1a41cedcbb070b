#include <kestrel/engine/runner.h>

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <typeinfo>

#include <fmt/format.h>

#include <kestrel/engine/seconds_since.h>
#include <kestrel/kernels/log.h>
#include <kestrel/tensor/safetensors.h>

namespace kestrel {
namespace {

constexpr std::string_view kState = "state.";
constexpr const char* kLr = "runner.lr";

/// The name of a hook's class, without its namespaces.
std::string class_name(const Hook& hook) {
  const char* mangled = typeid(hook).name();
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(mangled, nullptr, nullptr, &status), &std::free);
  const std::string name = text ? text.get() : mangled;
  const size_t colon = name.rfind("::");
  return colon == std::string::npos ? name : name.substr(colon + 2);
}

}  // namespace

Runner::Runner(TrainTask& task, int64_t max_epochs) : task_(task), max_epochs_(max_epochs) {
  if (max_epochs < 0) fail<UsageError>("[runner] max_epochs is negative: ", max_epochs);
  epoch_length_ = task.epoch_length();
}

void Runner::add_hook(std::shared_ptr<Hook> hook, Priority priority) {
  const auto place = std::ranges::upper_bound(hooks_, priority, {}, &Entry::priority);
  hooks_.insert(place, Entry{priority, std::move(hook)});
}

bool Runner::ends_interval(int64_t interval) const {
  const int64_t done = inner_iter_ + 1, left = epoch_length_ - done;
  return left == 0 || (done % interval == 0 && 2 * left >= interval);
}

Progress Runner::progress() const {
  return {.epoch = epoch_,
          .iter = iter_,
          .max_epochs = max_epochs_,
          .max_iters = max_iters(),
          .epoch_length = epoch_length_};
}

void Runner::leave_epoch_open() {
  epoch_open_ = true;
  stop();
}

void Runner::resume(const Position& position) {
  epoch_ = position.epoch;
  inner_iter_ = position.inner_iter;
  iter_ = epoch_ * epoch_length_ + inner_iter_;
  resume_point_ = position;
}

void Runner::save(Safetensors& file) const {
  for (const auto& [key, value] : state) file.metadata[std::string(kState) + key] = value;
  file.metadata[kLr] = fmt::format("{}", lr);
  for (const Entry& entry : hooks_) entry.hook->save(file);
}

void Runner::load(const Safetensors& file) {
  for (const auto& [key, value] : file.metadata) {
    if (key.starts_with(kState)) state[key.substr(kState.size())] = value;
    if (key == kLr) lr = std::strtod(value.c_str(), nullptr);
  }
  for (const Entry& entry : hooks_) entry.hook->load(file);
}

double Runner::run_seconds() const {
  return seconds_since(start_);
}

std::vector<HookCost> Runner::costs() const {
  std::vector<HookCost> costs;
  for (const Entry& entry : hooks_) {
    costs.push_back({class_name(*entry.hook), entry.hook->trains(), entry.seconds});
  }
  return costs;
}

void Runner::call(void (Hook::*point)(Runner&)) {
  for (Entry& entry : hooks_) {
    const auto start = std::chrono::steady_clock::now();
    try {
      ((*entry.hook).*point)(*this);
    } catch (const std::exception& error) {
      if (entry.hook->trains()) throw;
      warn(fmt::format("{}: {}; training goes on", class_name(*entry.hook), error.what()));
    }
    entry.seconds += seconds_since(start);
    if (epoch_open_) return;
  }
}

void Runner::run() {
  if (epoch_length_ <= 0) fail<DataError>("[runner] there is no batch to train on");
  start_ = std::chrono::steady_clock::now();
  call(&Hook::before_run);
  while (epoch_ < max_epochs_ && !stopped()) run_epoch();
  epoch_open_ = false;
  resume_point_ = {epoch_, inner_iter_};
  call(&Hook::after_run);
}

void Runner::run_epoch() {
  metrics.clear();
  task_.begin_epoch(epoch_, inner_iter_);
  call(&Hook::before_epoch);
  while (inner_iter_ < epoch_length_) {
    const auto start = std::chrono::steady_clock::now();
    task_.load_batch();
    data_seconds_ = seconds_since(start);
    call(&Hook::before_iter);
    result_ = task_.forward();
    resume_point_ = {epoch_, inner_iter_ + 1};
    call(&Hook::after_iter);
    result_ = {};
    ++inner_iter_;
    ++iter_;
    if (stopped() && inner_iter_ < epoch_length_) return;
  }
  resume_point_ = {epoch_ + 1, 0};
  call(&Hook::after_epoch);
  if (epoch_open_) return;
  ++epoch_;
  inner_iter_ = 0;
}

}  // namespace kestrel
