// How many COCO-sized JPEGs the loader makes into batches: decode 640x480, resize to 800x1067,
// flip, normalise, pad; and mixed as for YOLOX at 640x640. Then the first work in parts, and the
// machine's limits: turbojpeg's decoding alone, and how fast floats of a batch's size are written.
// Medians of five runs.
//
//   loader_bench [THREADS]     2 by default
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <turbojpeg.h>
#include <unistd.h>

#include <kestrel/data/datasets/shapes.h>
#include <kestrel/data/file.h>
#include <kestrel/data/loader.h>
#include <kestrel/data/transforms/collate.h>
#include <kestrel/data/transforms/mix_up.h>
#include <kestrel/data/transforms/mosaic.h>
#include <kestrel/data/transforms/normalize.h>
#include <kestrel/data/transforms/pad.h>
#include <kestrel/data/transforms/random_affine.h>
#include <kestrel/data/transforms/random_flip.h>
#include <kestrel/data/transforms/resize.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kFiles = 64, kImages = 256, kWidth = 640, kHeight = 480;
constexpr int kRuns = 5;

/// Files on disk, each used several times over.
class Photos : public Dataset {
 public:
  Photos() : Dataset("photos") {
    folder_ = fs::temp_directory_path() / ("kestrel_loader_bench_" + std::to_string(getpid()));
    const ShapesDataset shapes({.num_images = kFiles, .image_size = kWidth, .noise = 45});
    set_classes({"thing"});
    Annotation box;
    box.bbox = {10, 10, 200, 200};
    for (int64_t i = 0; i < kImages; ++i) {
      const std::string file = (folder_ / (std::to_string(i % kFiles) + ".jpg")).string();
      if (i < kFiles) {
        write_jpeg(file, fitted(shapes.load(i)), 89);
        bytes_ += static_cast<int64_t>(fs::file_size(file));
      }
      add_image({.id = i + 1, .file = file, .width = kWidth, .height = kHeight}, {box});
    }
  }
  ~Photos() override { fs::remove_all(folder_); }
  int64_t file_bytes() const { return bytes_ / kFiles; }

 private:
  /// Any picture as one of 640 x 480, by repetition.
  static Image fitted(const Image& from) {
    Image out(kHeight, kWidth);
    for (int64_t y = 0; y < kHeight; ++y) {
      for (int64_t x = 0; x < kWidth; ++x) {
        std::copy_n(from.row(y % from.height) + 3 * (x % from.width), 3, out.row(y) + 3 * x);
      }
    }
    return out;
  }

  fs::path folder_;
  int64_t bytes_ = 0;
};

Pipeline recipe() {
  return Pipeline()
      .add<Resize>(ResizeOptions{.img_scale = {{1333, 800}}})
      .add<RandomFlip>(RandomFlipOptions{.flip_ratio = {{0.5}}})
      .add<Normalize>(NormalizeOptions{})
      .add<Pad>(PadOptions{.size_divisor = 32});
}

/// YOLOX's training: every image is made of six.
Pipeline mixing_recipe() {
  return Pipeline()
      .add<Mosaic>(MosaicOptions{})
      .add<RandomAffine>(RandomAffineOptions{.border = {-320, -320}})
      .add<MixUp>(MixUpOptions{.ratio_range = {0.8, 1.6}})
      .add<RandomFlip>(RandomFlipOptions{.flip_ratio = {{0.5}}})
      .add<Pad>(PadOptions{.size_divisor = 32});
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Of all threads.
double cpu_now() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// Medians of what all images take.
struct Figures {
  double seconds = 0, cpu_seconds = 0;
};

Figures measure(const std::function<void()>& f) {
  std::vector<double> seconds, cpu_seconds;
  for (int run = 0; run <= kRuns; ++run) {
    const double begin = now(), cpu_begin = cpu_now();
    f();
    if (run == 0) continue;  // warms up
    seconds.push_back(now() - begin);
    cpu_seconds.push_back(cpu_now() - cpu_begin);
  }
  std::ranges::sort(seconds);
  std::ranges::sort(cpu_seconds);
  return {seconds[kRuns / 2], cpu_seconds[kRuns / 2]};
}

/// f(i) for all images, spread over threads.
std::function<void()> spread(int threads, const std::function<void(int64_t)>& f) {
  return [=] {
    std::vector<std::thread> team;
    for (int t = 0; t < threads; ++t) {
      team.emplace_back([=] {
        set_num_threads(1);
        for (int64_t i = t; i < kImages; i += threads) f(i);
      });
    }
    for (std::thread& thread : team) thread.join();
  };
}

void say(const char* what, const Figures& figures) {
  std::printf("%-42s %7.1f images/s   %6.2f ms of a processor an image\n", what,
              static_cast<double>(kImages) / figures.seconds,
              1000 * figures.cpu_seconds / static_cast<double>(kImages));
  std::fflush(stdout);
}

void decode_with_turbojpeg(const std::vector<std::byte>& file) {
  thread_local tjhandle handle = tjInitDecompress();
  thread_local std::vector<unsigned char> pixels(kWidth * kHeight * 3);
  tjDecompress2(handle, reinterpret_cast<const unsigned char*>(file.data()), file.size(),
                pixels.data(), kWidth, 0, kHeight, TJPF_RGB, 0);
}

void measure_all(int threads) {
  const Photos photos;
  std::printf("%lld files of %lld x %lld, %lld KB each; %d threads\n",
              static_cast<long long>(kFiles), static_cast<long long>(kWidth),
              static_cast<long long>(kHeight), static_cast<long long>(photos.file_bytes() >> 10),
              threads);
  const RandomSampler sampler(photos, 0);
  Loader loader(photos, recipe(), sampler, {.batch_size = 2, .workers = threads});
  say("loader", measure([&] {
        loader.start_epoch(0);
        while (loader.next()) {
        }
      }));

  Loader mixing(photos, mixing_recipe(), sampler, {.batch_size = 2, .workers = threads});
  say("loader, Mosaic + RandomAffine + MixUp", measure([&] {
        mixing.start_epoch(0);
        while (mixing.next()) {
        }
      }));

  std::vector<std::vector<std::byte>> files;
  for (int64_t i = 0; i < kImages; ++i) files.push_back(read_file("bench", photos.info(i).file));
  const Image decoded = photos.load(0);
  const Pipeline pipeline = recipe();
  const Pipeline resize = Pipeline().add<Resize>(ResizeOptions{.img_scale = {{1333, 800}}});
  say("  read the file and decode", measure(spread(threads, [&](int64_t i) { photos.load(i); })));
  say("  resize", measure(spread(threads, [&](int64_t) {
        Sample sample(decoded);
        Philox random(0);
        resize.apply(sample, random);
      })));
  say("  resize, flip, normalise, pad, collate", measure(spread(threads, [&](int64_t i) {
        std::vector<Sample> samples(1);
        samples[0] = Sample(decoded);
        Philox random(static_cast<uint64_t>(i));
        pipeline.apply(samples[0], random);
        collate(samples);
      })));
  say("limit: turbojpeg alone, files in memory", measure(spread(threads, [&](int64_t i) {
        decode_with_turbojpeg(files[static_cast<size_t>(i)]);
      })));
  constexpr size_t kFloats = 800 * 1088 * 3;
  say("limit: writing 800 x 1088 x 3 floats", measure(spread(threads, [&](int64_t) {
        thread_local std::vector<float> out(kFloats);
        std::memset(out.data(), 0, kFloats * sizeof(float));
      })));
}

}  // namespace
}  // namespace kestrel

int main(int argc, char** argv) {
  kestrel::measure_all(argc > 1 ? std::max(1, std::atoi(argv[1])) : 2);
  return 0;
}
