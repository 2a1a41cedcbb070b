#include <cstdio>
#include <exception>
#include <string_view>

#include <CLI/CLI.hpp>

#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>

#include "commands/evaluate.h"

namespace {

constexpr int kFailure = 1, kUsage = 2, kData = 3;

int report(const std::exception& error, int code) {
  std::fprintf(stderr, "kestrel: %s\n", error.what());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  kestrel::set_warning_sink([](std::string_view text) {
    std::fprintf(stderr, "kestrel: warning: %.*s\n", static_cast<int>(text.size()), text.data());
  });
  CLI::App app("Kestrel: object detection", "kestrel");
  app.require_subcommand(1);
  kestrel::apps::add_evaluate(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  } catch (const kestrel::UsageError& error) {
    return report(error, kUsage);
  } catch (const kestrel::DataError& error) {
    return report(error, kData);
  } catch (const std::exception& error) {
    return report(error, kFailure);
  }
}
