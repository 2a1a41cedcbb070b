// COCO evaluation of an input of the size of val2017: 5,000 images, 80 categories, 36,000
// annotations, 500,000 detected boxes, from JSON files and from memory.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <random>

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <kestrel/detection/evaluation/coco_reader.h>

namespace kestrel {
namespace {

constexpr int kImages = 5000, kCategories = 80, kTruths = 36000, kDetections = 100;

/// Writes an annotation and a results file; removes them at the end.
class Files {
 public:
  Files()
      : folder_(std::filesystem::temp_directory_path() /
                ("kestrel_coco_eval_bench_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
    write_truths();
    write_results();
  }
  ~Files() { std::filesystem::remove_all(folder_); }

  std::string truths() const { return folder_ / "truths.json"; }
  std::string results() const { return folder_ / "results.json"; }

 private:
  struct Truth {
    double x, y, w, h;
    int category;
  };

  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(random_() >> 11) * 0x1p-53;
  }
  int below(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }

  void write_truths() {
    std::FILE* file = std::fopen(truths().c_str(), "w");
    std::fputs("{\"images\": [", file);
    for (int i = 0; i < kImages; ++i)
      std::fprintf(file, "%s{\"id\": %d, \"height\": 480, \"width\": 640}", i ? ", " : "", i + 1);
    std::fputs("], \"categories\": [", file);
    for (int k = 0; k < kCategories; ++k)
      std::fprintf(file, "%s{\"id\": %d, \"name\": \"category %d\"}", k ? ", " : "", k + 1, k + 1);
    std::fputs("], \"annotations\": [", file);
    for (int n = 0; n < kTruths; ++n) {
      const int image = below(kImages);
      const double side = 8 * std::exp2(uniform(0, 5));
      const Truth t{uniform(0, 400), uniform(0, 300), side * uniform(.7, 1.3),
                    side * uniform(.7, 1.3), below(kCategories)};
      truths_[image].push_back(t);
      std::fprintf(file,
                   "%s{\"id\": %d, \"image_id\": %d, \"category_id\": %d, \"iscrowd\": %d, "
                   "\"area\": %.4f, \"bbox\": [%.2f, %.2f, %.2f, %.2f]}",
                   n ? ", " : "", n + 1, image + 1, t.category + 1, n % 80 == 0, t.w * t.h * .6,
                   t.x, t.y, t.w, t.h);
    }
    std::fputs("]}", file);
    std::fclose(file);
  }

  /// A third of the detections lie near an annotation.
  void write_results() {
    std::FILE* file = std::fopen(results().c_str(), "w");
    std::fputs("[", file);
    for (int i = 0; i < kImages; ++i)
      for (int n = 0; n < kDetections; ++n) {
        Truth d{uniform(0, 500), uniform(0, 400), uniform(4, 140), uniform(4, 80),
                below(kCategories)};
        if (!truths_[i].empty() && n % 3 == 0) {
          d = truths_[i][below(static_cast<int>(truths_[i].size()))];
          d.x += d.w * uniform(-.15, .15);
          d.y += d.h * uniform(-.15, .15);
        }
        std::fprintf(file,
                     "%s{\"image_id\": %d, \"category_id\": %d, \"bbox\": [%.15g, %.15g, %.15g, "
                     "%.15g], \"score\": %.16g}",
                     i || n ? ", " : "", i + 1, d.category + 1, d.x, d.y, d.w, d.h,
                     uniform(.05, 1));
      }
    std::fputs("]", file);
    std::fclose(file);
  }

  std::mt19937_64 random_{1};
  std::filesystem::path folder_;
  std::vector<std::vector<Truth>> truths_{kImages};
};

const Files& files() {
  static const Files files;
  return files;
}

void coco_eval_from_files(benchmark::State& state) {
  const auto megabytes = static_cast<double>(std::filesystem::file_size(files().results())) / 1e6;
  double ap = 0;
  for (auto _ : state)
    ap = evaluate_coco_files(files().truths(), files().results(), CocoMetric::kBbox).ap();
  state.counters["results_MB"] = megabytes;
  state.counters["AP"] = ap;
}
BENCHMARK(coco_eval_from_files)->Unit(benchmark::kMillisecond)->UseRealTime();

void coco_eval_from_memory(benchmark::State& state) {
  const EvalTruths truths = read_coco_truths(files().truths(), CocoMetric::kBbox);
  const auto detections = read_coco_results(files().results(), truths, CocoMetric::kBbox);
  for (auto _ : state)
    benchmark::DoNotOptimize(evaluate_coco(truths, detections, CocoMetric::kBbox).ap());
}
BENCHMARK(coco_eval_from_memory)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace kestrel
