#include "doctor.h"

#include <cstdio>

#include <kestrel/engine/diagnosis/environment.h>

namespace kestrel::apps {

void add_doctor(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "doctor", "what this is built from and runs on, what is wrong and what to do");
  command->callback([] { std::fputs(examine_environment().text().c_str(), stdout); });
}

}  // namespace kestrel::apps
