// Times every convolution of RetinaNet-R50-FPN, forward and both gradients.
//   conv_bench [--height 800] [--width 1344] [--batch 1] [--threads 2] [--repeat 3] [--bfloat16]
//   conv_bench --list ...   prints the shapes: name count N H W C O k stride pad
//   conv_bench --serve ...  reads "forward|data|weights N H W C O k stride pad" per line, runs it
//                           once and answers with wall and CPU seconds: what
//                           compare_conv_torch.py calls in turn with PyTorch
// CPU seconds with one thread are the figure to trust on a machine that others use too.
#include <time.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <kestrel/kernels/conv2d.h>
#include <kestrel/kernels/parallel.h>

namespace {

using kestrel::bfloat16;
using kestrel::DType;
using kestrel::Shape;
using kestrel::View;

struct Convolution {
  std::string name;
  int count;
  int64_t n, h, w, c, o, k, stride, pad;

  int64_t out_h() const { return (h + 2 * pad - k) / stride + 1; }
  int64_t out_w() const { return (w + 2 * pad - k) / stride + 1; }
  double flops() const {
    return 2.0 * static_cast<double>(n * out_h() * out_w() * o) * static_cast<double>(k * k * c);
  }
};

int64_t half(int64_t size) {
  return (size + 1) / 2;
}

std::vector<Convolution> retinanet(int64_t n, int64_t height, int64_t width) {
  std::vector<Convolution> all;
  int64_t h = half(height), w = half(width);
  all.push_back({"stem 7x7", 1, n, height, width, 3, 64, 7, 2, 3});
  h = half(h);
  w = half(w);
  const int64_t widths[] = {64, 128, 256, 512}, blocks[] = {3, 4, 6, 3};
  int64_t in = 64;
  std::vector<std::array<int64_t, 3>> stages;
  for (int s = 0; s < 4; ++s) {
    const std::string layer{'l', 'a', 'y', 'e', 'r', static_cast<char>('1' + s), ' '};
    const int64_t mid = widths[s], out = mid * 4, stride = s ? 2 : 1;
    const int repeats = static_cast<int>(blocks[s]) - 1;
    const int64_t oh = s ? half(h) : h, ow = s ? half(w) : w;
    all.push_back({layer + "reduce first", 1, n, h, w, in, mid, 1, 1, 0});
    all.push_back({layer + "3x3 first", 1, n, h, w, mid, mid, 3, stride, 1});
    all.push_back({layer + "downsample", 1, n, h, w, in, out, 1, stride, 0});
    all.push_back({layer + "expand", repeats + 1, n, oh, ow, mid, out, 1, 1, 0});
    all.push_back({layer + "reduce", repeats, n, oh, ow, out, mid, 1, 1, 0});
    all.push_back({layer + "3x3", repeats, n, oh, ow, mid, mid, 3, 1, 1});
    in = out;
    h = oh;
    w = ow;
    if (s) stages.push_back({h, w, out});
  }
  std::vector<std::array<int64_t, 2>> levels;
  for (size_t s = 0; s < stages.size(); ++s) {
    const auto [sh, sw, sc] = stages[s];
    const std::string level{'P', static_cast<char>('3' + s), ' '};
    all.push_back({level + "lateral", 1, n, sh, sw, sc, 256, 1, 1, 0});
    all.push_back({level + "fpn", 1, n, sh, sw, 256, 256, 3, 1, 1});
    levels.push_back({sh, sw});
  }
  all.push_back({"P6 extra", 1, n, h, w, 2048, 256, 3, 2, 1});
  levels.push_back({half(h), half(w)});
  all.push_back({"P7 extra", 1, n, half(h), half(w), 256, 256, 3, 2, 1});
  levels.push_back({half(half(h)), half(half(w))});
  for (size_t s = 0; s < levels.size(); ++s) {
    const auto [lh, lw] = levels[s];
    const std::string level{'P', static_cast<char>('3' + s), ' '};
    all.push_back({level + "head", 8, n, lh, lw, 256, 256, 3, 1, 1});
    all.push_back({level + "cls", 1, n, lh, lw, 256, 720, 3, 1, 1});
    all.push_back({level + "reg", 1, n, lh, lw, 256, 36, 3, 1, 1});
  }
  return all;
}

double seconds(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

struct Elapsed {
  double wall, cpu;
};

/// Operands of one shape, of one dtype.
class Runner {
 public:
  Runner(const Convolution& c, DType dtype)
      : input_(c.n * c.h * c.w * c.c, dtype),
        weight_(c.o * c.k * c.k * c.c, dtype),
        output_(c.n * c.out_h() * c.out_w() * c.o, dtype),
        bias_(c.o, dtype),
        input_view_{input_.data(), dtype, {c.n, c.h, c.w, c.c}},
        weight_view_{weight_.data(), dtype, {c.o, c.k, c.k, c.c}},
        output_view_{output_.data(), dtype, {c.n, c.out_h(), c.out_w(), c.o}},
        bias_view_{bias_.data(), dtype, {c.o}} {
    params_.stride_h = params_.stride_w = c.stride;
    params_.pad_h = params_.pad_w = c.pad;
    static uint64_t keys = 1;
    key_ = keys++;
  }
  ~Runner() { kestrel::cpu::conv2d_forget(key_); }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  /// forward: as in inference, weights packed before. train: weights packed in the call.
  Elapsed run(const std::string& pass) {
    namespace cpu = kestrel::cpu;
    const double wall = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_PROCESS_CPUTIME_ID);
    kestrel::Conv2dParams params = params_;
    if (pass == "forward") {
      params.weight_key = key_;
      params.relu = true;
      cpu::conv2d_forward(input_view_, weight_view_, bias_view_, {}, output_view_, params);
    } else if (pass == "train") {
      cpu::conv2d_forward(input_view_, weight_view_, {}, {}, output_view_, params);
    } else if (pass == "data") {
      cpu::conv2d_backward_data(output_view_, weight_view_, input_view_, params);
    } else {
      cpu::conv2d_backward_weights(input_view_, output_view_, weight_view_, {}, params);
    }
    return {seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - used};
  }

 private:
  struct Buffer {
    std::vector<float> floats;
    Buffer(int64_t n, DType dtype) : floats(static_cast<size_t>(n)) {
      for (size_t i = 0; i < floats.size(); ++i) {
        floats[i] = static_cast<float>(i % 17) * 0.01f - 0.08f;
      }
      if (dtype == DType::BFloat16) {
        std::vector<float> values = floats;
        auto* half = reinterpret_cast<bfloat16*>(floats.data());
        for (size_t i = 0; i < values.size(); ++i) half[i] = bfloat16(values[i]);
      }
    }
    void* data() { return floats.data(); }
  };
  Buffer input_, weight_, output_, bias_;
  View input_view_, weight_view_, output_view_, bias_view_;
  kestrel::Conv2dParams params_;
  uint64_t key_;
};

void serve(DType dtype) {
  std::map<std::string, std::unique_ptr<Runner>> runners;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream text(line);
    std::string pass;
    Convolution c{};
    text >> pass >> c.n >> c.h >> c.w >> c.c >> c.o >> c.k >> c.stride >> c.pad;
    const std::string shape = line.substr(pass.size());
    if (!runners.contains(shape)) {
      if (runners.size() > 3) runners.clear();
      runners[shape] = std::make_unique<Runner>(c, dtype);
    }
    const Elapsed elapsed = runners[shape]->run(pass);
    std::cout << elapsed.wall << ' ' << elapsed.cpu << std::endl;
  }
}

void report(const std::vector<Convolution>& shapes, DType dtype, int repeat) {
  const char* passes[] = {"forward", "train", "data", "weights"};
  double total[4] = {}, flops = 0;
  std::printf("%-22s %5s %8s", "shape", "count", "GFLOP");
  for (const char* pass : passes) std::printf(" | %8s ms  GFLOP/s", pass);
  std::printf("\n");
  for (const Convolution& c : shapes) {
    Runner runner(c, dtype);
    std::printf("%-22s %5d %8.2f", c.name.c_str(), c.count, c.flops() * 1e-9);
    flops += c.flops() * c.count;
    for (int p = 0; p < 4; ++p) {
      double best = runner.run(passes[p]).wall;
      for (int r = 0; r < repeat; ++r) {
        const Elapsed elapsed = runner.run(passes[p]);
        best = std::min(best, kestrel::num_threads() == 1 ? elapsed.cpu : elapsed.wall);
      }
      total[p] += best * c.count;
      std::printf(" | %11.2f %8.1f", best * 1e3, c.flops() / best * 1e-9);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  std::printf("%-22s %5s %8.1f", "all", "", flops * 1e-9);
  for (const double t : total) std::printf(" | %11.1f %8.1f", t * 1e3, flops / t * 1e-9);
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  int64_t height = 800, width = 1344, batch = 1;
  int repeat = 3;
  bool list = false, serving = false;
  DType dtype = DType::Float32;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--list") {
      list = true;
    } else if (flag == "--serve") {
      serving = true;
    } else if (flag == "--bfloat16") {
      dtype = DType::BFloat16;
    } else if (i + 1 < argc) {
      const int value = std::atoi(argv[++i]);
      if (flag == "--height") height = value;
      if (flag == "--width") width = value;
      if (flag == "--batch") batch = value;
      if (flag == "--repeat") repeat = value;
      if (flag == "--threads") kestrel::set_num_threads(value);
    }
  }
  const auto shapes = retinanet(batch, height, width);
  if (serving) {
    serve(dtype);
  } else if (list) {
    for (const Convolution& c : shapes) {
      std::string name = c.name;
      for (char& letter : name) letter = letter == ' ' ? '_' : letter;
      std::cout << name << ' ' << c.count << ' ' << c.n << ' ' << c.h << ' ' << c.w << ' ' << c.c
                << ' ' << c.o << ' ' << c.k << ' ' << c.stride << ' ' << c.pad << '\n';
    }
  } else {
    report(shapes, dtype, repeat);
  }
}
