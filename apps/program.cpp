#include "program.h"

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <kestrel/engine/diagnosis/environment.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>
#include <kestrel/registry/nearest_name.h>

namespace kestrel::apps {
namespace {

constexpr const char* kExitCodes =
    "\nExit codes: 0 done, 1 failed, 2 usage, 3 data, 4 model file or checkpoint, 5 memory,\n"
    "6 the loss is not finite, 130 interrupted (what can be resumed was saved).";

std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free, "it is set in a signal handler");

extern "C" void on_stop_signal(int) {
  if (stop_requested.exchange(true)) ::_exit(kInterrupted);
  constexpr std::string_view kText = "\nsaving at the next step; a second signal ends at once\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText.data(), kText.size());
}

int report(const CLI::App& app, const std::exception& error, int code) {
  std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), error.what());
  return code;
}

/// The command that was chosen, down to the last sub-command.
const CLI::App& chosen_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : chosen_command(*chosen.front());
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

int report_usage(const CLI::App& app, const CLI::ParseError& error) {
  std::string text = error.what();
  const CLI::App& command = chosen_command(app);
  const std::vector<std::string> words = command.remaining();
  std::vector<std::string> names;
  for (const CLI::App* sub : command.get_subcommands({})) names.push_back(sub->get_name());
  if (!names.empty() && !words.empty() && !words.front().starts_with('-')) {
    const std::string near = did_you_mean(words.front(), names);
    text = "there is no command '" + words.front() + "'" +
           (near.empty() ? "; there are: " + joined(names) : near);
  } else {
    for (const CLI::Option* option : command.get_options()) names.push_back(option->get_name());
    for (const std::string& word : words) {
      text += did_you_mean(word.substr(0, word.find('=')), names);
    }
  }
  std::fprintf(stderr, "%s: %s\nRun with --help to see what there is.\n", app.get_name().c_str(),
               text.c_str());
  return kUsage;
}

}  // namespace

int run_program(CLI::App& app, int argc, char** argv) {
  set_warning_sink([name = app.get_name()](std::string_view text) {
    std::fprintf(stderr, "%s: warning: %.*s\n", name.c_str(), static_cast<int>(text.size()),
                 text.data());
  });
  app.set_version_flag("--version", version_text(), "Print the version and exit");
  app.footer(kExitCodes);
  for (CLI::App* command : app.get_subcommands({})) command->footer(kExitCodes);
  try {
    app.parse(argc, argv);
    return kOk;
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? app.exit(error) : report_usage(app, error);
  } catch (const UsageError& error) {
    return report(app, error, kUsage);
  } catch (const DataError& error) {
    return report(app, error, kData);
  } catch (const ModelFileError& error) {
    return report(app, error, kModelFile);
  } catch (const OutOfMemoryError& error) {
    return report(app, error, kMemory);
  } catch (const std::bad_alloc&) {
    return report(app, OutOfMemoryError("the system has no memory left"), kMemory);
  } catch (const NonFiniteLossError& error) {
    return report(app, error, kNonFiniteLoss);
  } catch (const Interrupted& error) {
    return report(app, error, kInterrupted);
  } catch (const std::exception& error) {
    return report(app, error, kFailure);
  }
}

const std::atomic<bool>& stop_signal() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  return stop_requested;
}

LogSink console_log() {
  const auto line = [](std::string_view text) {
    std::printf("%.*s\n", static_cast<int>(text.size()), text.data());
    std::fflush(stdout);
  };
  if (isatty(STDOUT_FILENO) == 0) return {.line = line};
  const auto progress = [](std::string_view text) {
    std::printf("\r\033[2K%.*s", static_cast<int>(text.size()), text.data());
    std::fflush(stdout);
  };
  return {.line = line, .progress = progress};
}

}  // namespace kestrel::apps
