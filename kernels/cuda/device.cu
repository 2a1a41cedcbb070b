#include <kestrel/kernels/device.h>

#include <memory>
#include <mutex>
#include <sstream>
#include <vector>

#include <kestrel/kernels/cuda/check.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/staging.h>
#include <kestrel/kernels/error.h>

namespace kestrel::gpu {
namespace {

cudaStream_t handle_of(Stream stream) {
  return static_cast<cudaStream_t>(stream.handle);
}
cudaEvent_t handle_of(Event event) {
  return static_cast<cudaEvent_t>(event.handle);
}

/// One stream per device, never destroyed: tensors with static storage may outlive it otherwise.
Stream main_stream(int device) {
  static std::mutex mutex;
  static auto* streams = new std::vector<Stream>;
  const std::lock_guard lock(mutex);
  if (streams->empty()) streams->resize(static_cast<size_t>(device_count()));
  KESTREL_CHECK(device >= 0 && device < device_count(), "[cuda] there is no device ", device,
                "; this machine has ", device_count());
  Stream& stream = (*streams)[static_cast<size_t>(device)];
  if (!stream.handle) stream = create_stream(device);
  return stream;
}

/// The streams that this thread chose.
std::vector<Stream>& chosen_streams() {
  thread_local std::vector<Stream> streams;
  return streams;
}

}  // namespace

int device_count() {
  static const int count = [] {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess) {
      cudaGetLastError();  // No driver is no device.
      return 0;
    }
    return devices;
  }();
  return count;
}

std::string device_name(int device) {
  cudaDeviceProp properties;
  CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
  std::ostringstream text;
  text << properties.name << ", compute capability " << properties.major << '.' << properties.minor
       << ", " << (properties.totalGlobalMem >> 20) << " MiB";
  return text.str();
}

Stream current_stream(int device) {
  for (const Stream& stream : chosen_streams()) {
    if (stream.device == device) return stream;
  }
  return main_stream(device);
}

Stream set_current_stream(Stream stream) {
  const Stream before = current_stream(stream.device);
  std::vector<Stream>& chosen = chosen_streams();
  std::erase_if(chosen, [&](const Stream& other) { return other.device == stream.device; });
  chosen.push_back(stream);
  return before;
}

Stream create_stream(int device) {
  use_device(device);
  cudaStream_t stream = nullptr;
  CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return {device, stream};
}

void destroy_stream(Stream stream) {
  use_device(stream.device);
  CUDA_CHECK(cudaStreamSynchronize(handle_of(stream)));
  CUDA_CHECK(cudaStreamDestroy(handle_of(stream)));
}

void synchronize(Stream stream) {
  use_device(stream.device);
  CUDA_CHECK(cudaStreamSynchronize(handle_of(stream)));
}

Event create_event(int device) {
  use_device(device);
  cudaEvent_t event = nullptr;
  CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return {device, event};
}

void destroy_event(Event event) noexcept {
  cudaEventDestroy(handle_of(event));
}

void record_event(Event event, Stream stream) {
  use_device(event.device);
  CUDA_CHECK(cudaEventRecord(handle_of(event), handle_of(stream)));
}

void wait_event(Stream stream, Event event) {
  use_device(stream.device);
  CUDA_CHECK(cudaStreamWaitEvent(handle_of(stream), handle_of(event), 0));
}

void synchronize(Event event) {
  CUDA_CHECK(cudaEventSynchronize(handle_of(event)));
}

bool has_passed(Event event) {
  const cudaError_t status = cudaEventQuery(handle_of(event));
  if (status == cudaErrorNotReady) return false;
  CUDA_CHECK(status);
  return true;
}

void begin_capture(Stream stream) {
  use_device(stream.device);
  // Relaxed: the allocator may ask for memory meanwhile, and other threads go on.
  CUDA_CHECK(cudaStreamBeginCapture(handle_of(stream), cudaStreamCaptureModeRelaxed));
}

Graph end_capture(Stream stream) {
  use_device(stream.device);
  cudaGraph_t recorded = nullptr;
  CUDA_CHECK(cudaStreamEndCapture(handle_of(stream), &recorded));
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&executable, recorded, 0);
  cudaGraphDestroy(recorded);
  CUDA_CHECK(status);
  return {stream.device, executable};
}

void launch_graph(Graph graph, Stream stream) {
  use_device(stream.device);
  CUDA_CHECK(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph.handle), handle_of(stream)));
}

void destroy_graph(Graph graph) noexcept {
  cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph.handle));
}

void* allocate_pinned(size_t bytes) {
  void* memory = nullptr;
  CUDA_CHECK(cudaMallocHost(&memory, bytes == 0 ? 1 : bytes));
  return memory;
}

void free_pinned(void* memory) noexcept {
  cudaFreeHost(memory);
}

void copy_to_device_async(void* to, const void* from, size_t bytes, Stream stream) {
  if (bytes == 0) return;
  use_device(stream.device);
  CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, handle_of(stream)));
}

void copy_to_host_async(void* to, const void* from, size_t bytes, Stream stream) {
  if (bytes == 0) return;
  use_device(stream.device);
  CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, handle_of(stream)));
}

void copy_to_device(void* to, const void* from, size_t bytes, Stream stream) {
  copy_staged(to, from, bytes, stream);
}

void copy_to_host(void* to, const void* from, size_t bytes, Stream stream) {
  copy_to_host_async(to, from, bytes, stream);
  synchronize(stream);
}

void copy_on_device(void* to, const void* from, size_t bytes, Stream stream) {
  if (bytes == 0) return;
  use_device(stream.device);
  CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, handle_of(stream)));
}

}  // namespace kestrel::gpu
