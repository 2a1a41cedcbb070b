// How detectors do beside other processes that want the cores, and beside each other: RetinaNet-R18
// at 192 px with default settings. Prints one line a case and, with --check, exits 1 where a figure
// is missed. Every case is a process of its own; the cases of a round follow each other, and
// medians are over all rounds. Another build's library can be measured with LD_LIBRARY_PATH.

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/registry/registry.h>

namespace kestrel::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  int rounds = 3;
  double seconds = 2;
  int detectors = 1;
  bool measure = false;
  bool check = false;
  bool passive = false;
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// In a process of its own: milliseconds of every pass, one a line.
void measure(const Options& options) {
  const Config config = Config::load(std::filesystem::path(KESTREL_SOURCE_DIR) /
                                     "configs/retinanet/retinanet_r18_fpn_1x_coco.yaml");
  std::atomic<int> ready = 0;
  std::vector<std::vector<double>> times(static_cast<size_t>(options.detectors));
  const auto work = [&](std::vector<double>& mine) {
    const auto model = build<BaseDetector>(config.at("model"));
    model->eval();
    Batch batch;
    batch.images = Tensor::zeros({1, 192, 320, 3});
    batch.metas.resize(1);
    ImageMeta& meta = batch.metas[0];
    meta.ori_height = meta.img_height = meta.pad_height = 192;
    meta.ori_width = meta.img_width = meta.pad_width = 320;
    const auto pass = [&] { model->predict(batch, false); };
    for (int i = 0; i < 3; ++i) pass();
    ++ready;
    while (ready < options.detectors) std::this_thread::yield();
    for (const auto begin = Clock::now(); seconds_since(begin) < options.seconds;) {
      const auto start = Clock::now();
      pass();
      mine.push_back(seconds_since(start) * 1e3);
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < times.size(); ++i) threads.emplace_back(work, std::ref(times[i]));
  work(times[0]);
  for (std::thread& thread : threads) thread.join();
  for (const auto& some : times) {
    for (const double time : some) std::printf("%.3f\n", time);
  }
}

/// A process that wants a core for as long as this object lives.
class Spinner {
 public:
  Spinner() : process_(fork()) {
    if (process_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    volatile bool wanted = true;
    while (wanted) continue;
  }
  ~Spinner() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  Spinner(const Spinner&) = delete;
  Spinner& operator=(const Spinner&) = delete;

 private:
  pid_t process_;
};

struct Case {
  std::string name;
  int spinners = 0;
  int detectors = 1;
  std::string environment;  // of the process that is measured
};

std::vector<double> run_case(const Case& which, const Options& options) {
  std::vector<std::unique_ptr<Spinner>> neighbours;
  for (int i = 0; i < which.spinners; ++i) neighbours.push_back(std::make_unique<Spinner>());
  const std::string program = std::filesystem::read_symlink("/proc/self/exe");
  const std::string command = which.environment + " '" + program + "' --measure --seconds " +
                              std::to_string(options.seconds) + " --detectors " +
                              std::to_string(which.detectors);
  std::vector<double> times;
  FILE* output = popen(command.c_str(), "r");
  if (!output) throw std::runtime_error("cannot run " + command);
  for (double time = 0; std::fscanf(output, "%lf", &time) == 1;) times.push_back(time);
  if (pclose(output) != 0 || times.empty()) throw std::runtime_error("failed: " + command);
  return times;
}

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

int compare(const Options& options) {
  const std::string one = "OMP_NUM_THREADS=1";
  std::vector<Case> cases = {{"alone", 0, 1, ""},      {"alone, 1 thread", 0, 1, one},
                             {"1 spinning", 1, 1, ""}, {"1 spinning, 1 thread", 1, 1, one},
                             {"3 spinning", 3, 1, ""}, {"3 spinning, 1 thread", 3, 1, one},
                             {"4 detectors", 0, 4, ""}};
  if (options.passive) cases.push_back({"3 spinning, passive", 3, 1, "OMP_WAIT_POLICY=passive"});
  std::map<std::string, std::vector<double>> times;
  std::map<std::string, double> passes;  // a second, of all detectors together
  for (int round = 0; round < options.rounds; ++round) {
    for (const Case& each : cases) {
      const std::vector<double> some = run_case(each, options);
      std::vector<double>& all = times[each.name];
      all.insert(all.end(), some.begin(), some.end());
      passes[each.name] += static_cast<double>(some.size()) / options.seconds / options.rounds;
    }
  }
  std::printf("%10s %10s %10s  case\n", "median ms", "p95 ms", "images/s");
  for (const Case& each : cases) {
    std::printf("%10.1f %10.1f %10.1f  %s\n", percentile(times[each.name], 0.5),
                percentile(times[each.name], 0.95), passes[each.name], each.name.c_str());
  }
  bool good = true;
  const auto figure = [&](const char* what, double value, double limit, bool at_most) {
    const bool held = at_most ? value <= limit : value >= limit;
    std::printf("%-62s %5.2f (%s %.2f)%s\n", what, value, at_most ? "at most" : "at least", limit,
                held ? "" : "  MISSED");
    good = good && held;
  };
  const auto median = [&](const char* name) { return percentile(times[name], 0.5); };
  figure("1 spinning: median by that of 1 thread",
         median("1 spinning") / median("1 spinning, 1 thread"), 1.15, true);
  figure("1 spinning: p95 by median", percentile(times["1 spinning"], 0.95) / median("1 spinning"),
         2, true);
  figure("3 spinning: images/s by those of 1 thread",
         passes["3 spinning"] / passes["3 spinning, 1 thread"], 0.8, false);
  if (options.passive) {
    figure("3 spinning: images/s by those with OpenMP's passive waiting",
           passes["3 spinning"] / passes["3 spinning, passive"], 0.8, false);
  }
  figure("4 detectors: images/s together by those of one", passes["4 detectors"] / passes["alone"],
         0.9, false);
  return options.check && !good ? 1 : 0;
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Detectors beside busy processes and beside each other", "busy_neighbours");
  app.add_option("--rounds", options.rounds, "How often every case is run")->capture_default_str();
  app.add_option("--seconds", options.seconds, "Time of a case")->capture_default_str();
  app.add_flag("--check", options.check, "Exit with 1 where a figure is missed");
  app.add_flag("--passive", options.passive,
               "Also OMP_WAIT_POLICY=passive, which OpenMP's teams read");
  app.add_flag("--measure", options.measure, "One case, in this process: a time a line");
  app.add_option("--detectors", options.detectors, "Of --measure: in a thread each");
  CLI11_PARSE(app, argc, argv);
  try {
    if (!options.measure) return compare(options);
    measure(options);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace kestrel::bench

int main(int argc, char** argv) {
  return kestrel::bench::run(argc, argv);
}
