#include <CLI/CLI.hpp>

#include "commands/benchmark.h"
#include "commands/browse.h"
#include "commands/check_data.h"
#include "commands/components.h"
#include "commands/convert.h"
#include "commands/convert_data.h"
#include "commands/detect.h"
#include "commands/doctor.h"
#include "commands/evaluate.h"
#include "commands/info.h"
#include "commands/print_config.h"
#include "commands/test.h"
#include "commands/train.h"
#include "program.h"

int main(int argc, char** argv) {
  CLI::App app("Kestrel: object detection", "kestrel");
  app.require_subcommand(1);
  kestrel::apps::add_train(app);
  kestrel::apps::add_test(app);
  kestrel::apps::add_detect(app);
  kestrel::apps::add_evaluate(app);
  kestrel::apps::add_convert(app);
  kestrel::apps::add_convert_data(app);
  kestrel::apps::add_check_data(app);
  kestrel::apps::add_browse(app);
  kestrel::apps::add_print_config(app);
  kestrel::apps::add_info(app);
  kestrel::apps::add_components(app);
  kestrel::apps::add_benchmark(app);
  kestrel::apps::add_doctor(app);
  return kestrel::apps::run_program(app, argc, argv);
}
