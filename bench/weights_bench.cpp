// Reading and writing 160 MB of weights, about a RetinaNet-50, in the page cache; bytes per second.
#include <filesystem>

#include <benchmark/benchmark.h>

#include <kestrel/tensor/mapped_file.h>
#include <kestrel/tensor/pth.h>
#include <kestrel/tensor/safetensors.h>
#include <kestrel/tensor/safetensors_checksums.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

const Safetensors& contents() {
  static const Safetensors weights = [] {
    Safetensors made;
    for (int i = 0; i < 300; ++i) {
      made.tensors.emplace_back("backbone.layer" + std::to_string(i) + ".conv.weight",
                                Tensor::full({i % 8 == 0 ? 4096 : 1, 1024}, i));
    }
    return made;
  }();
  return weights;
}

int64_t total_bytes() {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : contents().tensors)
    bytes += static_cast<int64_t>(tensor.bytes());
  return bytes;
}

fs::path temporary(const char* name) {
  return fs::temp_directory_path() / name;
}

void count_bytes(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * total_bytes());
}

void checksums(benchmark::State& state) {
  for (auto _ : state) {
    for (const auto& [name, tensor] : contents().tensors) {
      benchmark::DoNotOptimize(
          safetensors::checksum({static_cast<const std::byte*>(tensor.raw()), tensor.bytes()}));
    }
  }
  count_bytes(state);
}
BENCHMARK(checksums)->Unit(benchmark::kMillisecond);

void write_safetensors_file(benchmark::State& state) {
  const fs::path path = temporary("kestrel_weights_bench.safetensors");
  for (auto _ : state) write_safetensors(path, contents());
  count_bytes(state);
  fs::remove(path);
}
BENCHMARK(write_safetensors_file)->Unit(benchmark::kMillisecond)->UseRealTime();

/// Maps the file and touches every page of it: what reading costs without checksums.
void read_pages(benchmark::State& state) {
  const fs::path path = temporary("kestrel_weights_bench.safetensors");
  write_safetensors(path, contents());
  for (auto _ : state) {
    const MappedFile file("bench", path);
    for (size_t i = 0; i < file.bytes().size(); i += 4096) {
      benchmark::DoNotOptimize(file.bytes()[i]);
    }
  }
  count_bytes(state);
  fs::remove(path);
}
BENCHMARK(read_pages)->Unit(benchmark::kMillisecond);

void read_safetensors_file(benchmark::State& state) {
  const fs::path path = temporary("kestrel_weights_bench.safetensors");
  write_safetensors(path, contents());
  for (auto _ : state) benchmark::DoNotOptimize(read_safetensors(path));
  count_bytes(state);
  fs::remove(path);
}
BENCHMARK(read_safetensors_file)->Unit(benchmark::kMillisecond);

void read_pth_file(benchmark::State& state) {
  const fs::path path = temporary("kestrel_weights_bench.pth");
  write_pth(path, contents().tensors);
  for (auto _ : state) benchmark::DoNotOptimize(read_pth(path).state_dict());
  count_bytes(state);
  fs::remove(path);
}
BENCHMARK(read_pth_file)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kestrel
