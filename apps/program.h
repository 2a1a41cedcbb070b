#pragma once

#include <functional>

#include <CLI/CLI.hpp>

#include <kestrel/engine/hooks/text_logger_hook.h>

namespace kestrel::apps {

/// Exit codes of all programs.
enum ExitCode { kOk = 0, kFailure = 1, kUsage = 2, kData = 3, kModelFile = 4, kMemory = 5 };

/// Parses the command line and runs what its callbacks do. Warnings go to standard error, an
/// exception becomes one line there and an exit code; an unknown option gets the nearest name.
int run_program(CLI::App& app, int argc, char** argv);

/// Standard output: one renewed progress line on a terminal, plain lines otherwise.
LogSink console_log();

}  // namespace kestrel::apps
