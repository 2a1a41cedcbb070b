// Opening annotations of the size of COCO's instances_train2017.json (118,287 images, 860,001
// annotations with polygons, 450 MB; generated): seconds and peak memory, without the index cache,
// when it is written, and from it. Each in a process of its own, five times, the median shown; the
// processor's time is that of the whole process.
//
//   start_up_bench [FOLDER]      the folder is kept; by default one in /tmp, removed at the end
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kestrel/data/datasets/coco.h>
#include <kestrel/data/datasets/coco_index_cache.h>

namespace {

namespace fs = std::filesystem;

constexpr int kImages = 118287, kAnnotations = 860001, kCategories = 80, kRuns = 5;

/// Writes a file like instances_train2017.json, spaces after commas and colons included.
class Generator {
 public:
  explicit Generator(const fs::path& file) : file_(std::fopen(file.c_str(), "w")) {
    std::fputs(R"({"info": {"description": "generated"}, "licenses": [{"id": 1}], "images": [)",
               file_);
    for (int i = 0; i < kImages; ++i) write_image(i);
    std::fputs("], \"annotations\": [", file_);
    for (int i = 0; i < kAnnotations; ++i) write_annotation(i);
    std::fputs("], \"categories\": [", file_);
    for (int i = 0; i < kCategories; ++i) {
      std::fprintf(file_, R"(%s{"supercategory": "thing", "id": %d, "name": "category %d"})",
                   i ? ", " : "", i + 1 + i / 8, i);
    }
    std::fputs("]}", file_);
    std::fclose(file_);
  }

 private:
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(random_() >> 11) * 0x1p-53;
  }

  void write_image(int i) {
    const long id = i * 4 + 9;
    std::fprintf(file_,
                 R"(%s{"license": 3, "file_name": "%012ld.jpg", "coco_url": )"
                 R"("http://images.cocodataset.org/train2017/%012ld.jpg", "height": %d, )"
                 R"("width": %d, "date_captured": "2013-11-14 11:18:45", "flickr_url": )"
                 R"("http://farm9.staticflickr.com/8186/8119368305_4e622c8349_z.jpg", "id": %ld})",
                 i ? ", " : "", id, id, 480, 640, id);
  }

  void write_annotation(int i) {
    const long image = static_cast<long>(random_() % kImages) * 4 + 9;
    const double w = 8 * std::exp2(uniform(0, 5)), h = 8 * std::exp2(uniform(0, 5));
    const double x = uniform(0, 640 - w), y = uniform(0, 480 - h);
    std::fprintf(file_, "%s{\"segmentation\": [[", i ? ", " : "");
    const int points = 8 + static_cast<int>(random_() % 33);
    for (int p = 0; p < points; ++p) {
      const double angle = 6.2831853 * p / points;
      std::fprintf(file_, "%s%.2f, %.2f", p ? ", " : "", x + w / 2 * (1 + std::cos(angle)),
                   y + h / 2 * (1 + std::sin(angle)));
    }
    std::fprintf(
        file_,
        "]], \"area\": %.14g, \"iscrowd\": %d, \"image_id\": %ld, \"bbox\": [%.2f, %.2f, "
        "%.2f, %.2f], \"category_id\": %d, \"id\": %d}",
        w * h * 0.7853981633974, i % 86 == 0, image, x, y, w, h,
        [](int c) { return c + 1 + c / 8; }(static_cast<int>(random_() % kCategories)), i + 1);
  }

  std::FILE* file_;
  std::mt19937_64 random_{1};
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

kestrel::CocoDatasetOptions options(const fs::path& folder, bool cache) {
  return {.ann_file = (folder / "annotations/instances_train2017.json").string(),
          .img_prefix = (folder / "train2017").string(),
          .index_cache = cache};
}

/// What the child process does: prints seconds.
int open_once(const fs::path& folder, bool cache) {
  const double begin = now();
  const kestrel::CocoDataset dataset(options(folder, cache));
  std::printf("%f %lld\n", now() - begin, static_cast<long long>(dataset.size()));
  return 0;
}

struct Figures {
  double seconds = 0, cpu_seconds = 0, megabytes = 0;
};

Figures run_child(const fs::path& folder, const char* mode) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    dup2(pipe_ends[1], STDOUT_FILENO);
    execl("/proc/self/exe", "start_up_bench", folder.c_str(), mode, nullptr);
    _exit(1);
  }
  close(pipe_ends[1]);
  Figures figures;
  char text[100] = {};
  if (read(pipe_ends[0], text, sizeof(text) - 1) > 0) figures.seconds = std::atof(text);
  close(pipe_ends[0]);
  rusage usage{};
  wait4(child, nullptr, 0, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  figures.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  figures.megabytes = static_cast<double>(usage.ru_maxrss) / 1024;
  return figures;
}

void measure(const char* title, const fs::path& folder, const char* mode, bool fresh) {
  std::vector<double> seconds, cpu_seconds, megabytes;
  for (int run = 0; run < kRuns; ++run) {
    if (fresh) {
      fs::remove(kestrel::index_cache_path(options(folder, true).ann_file));
    }
    const Figures figures = run_child(folder, mode);
    seconds.push_back(figures.seconds);
    cpu_seconds.push_back(figures.cpu_seconds);
    megabytes.push_back(figures.megabytes);
  }
  std::ranges::sort(seconds);
  std::ranges::sort(cpu_seconds);
  std::ranges::sort(megabytes);
  std::printf("%-20s %6.3f s (%.3f to %.3f), of the processor %6.3f s, peak %5.0f MB\n", title,
              seconds[kRuns / 2], seconds.front(), seconds.back(), cpu_seconds[kRuns / 2],
              megabytes[kRuns / 2]);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const fs::path folder =
      argc > 1 ? fs::path(argv[1]) : fs::temp_directory_path() / "kestrel_start_up_bench";
  if (argc > 2) return open_once(folder, std::strcmp(argv[2], "cache") == 0);
  const fs::path file = options(folder, true).ann_file;
  fs::create_directories(folder / "train2017");
  fs::create_directories(folder / "annotations");
  if (!fs::exists(file)) {
    const Generator generator(file);
    sleep(3);  // a file that has only just changed is hashed again when it is opened
  }
  std::printf("%.0f MB of annotations\n", static_cast<double>(fs::file_size(file)) * 1e-6);
  measure("without the cache", folder, "plain", false);
  measure("writing the cache", folder, "cache", true);
  measure("from the cache", folder, "cache", false);
  if (argc == 1) fs::remove_all(folder);
  return 0;
}
