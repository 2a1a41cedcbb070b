#include <kestrel/kernels/log.h>

#include <mutex>
#include <utility>

namespace kestrel {
namespace {

struct SharedSink {
  std::mutex mutex;
  WarningSink sink;
};

SharedSink& shared_sink() {
  static SharedSink shared;
  return shared;
}

}  // namespace

void warn(std::string_view text) {
  auto& shared = shared_sink();
  const std::lock_guard lock(shared.mutex);
  if (shared.sink) shared.sink(text);
}

WarningSink set_warning_sink(WarningSink sink) {
  auto& shared = shared_sink();
  const std::lock_guard lock(shared.mutex);
  return std::exchange(shared.sink, std::move(sink));
}

}  // namespace kestrel
