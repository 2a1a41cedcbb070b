#pragma once

#include <atomic>

#include <CLI/CLI.hpp>

#include <kestrel/engine/hooks/text_logger_hook.h>
#include <kestrel/kernels/error.h>

namespace kestrel::apps {

/// Exit codes of all programs; --help lists them.
enum ExitCode {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,
  kData = 3,
  kModelFile = 4,
  kMemory = 5,
  kNonFiniteLoss = 6,
  kInterrupted = 130
};

/// Ends a program that was asked to stop, after it saved; the text says how to go on.
class Interrupted : public Error {
 public:
  using Error::Error;
};

/// Parses the command line and runs what its callbacks do. Warnings go to standard error, an
/// exception becomes one line there and an exit code; an unknown option gets the nearest name.
int run_program(CLI::App& app, int argc, char** argv);

/// From the first call on, the first SIGINT or SIGTERM sets the flag that this returns, and a
/// second one ends the process at once.
const std::atomic<bool>& stop_signal();

/// Standard output: one renewed progress line on a terminal, plain lines otherwise.
LogSink console_log();

}  // namespace kestrel::apps
