#include "streams.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <set>

#include "machine.h"
#include "profiler.h"

// Streams, events, copies and graphs. Every operation has a number, and knows for each stream the
// last operation that it comes after: what a second stream uses without waiting for it is seen so,
// whatever the order in which the host happened to carry things out.

namespace {

using cuda_sim::big_lock;
using Guard = std::lock_guard<std::recursive_mutex>;
using Clock = std::map<int, uint32_t>;  // by stream: the number of its last operation that is done

void join(Clock& into, const Clock& from) {
  for (const auto& [stream, number] : from) into[stream] = std::max(into[stream], number);
}

struct Operation {
  uint32_t number = 0;
  std::function<void(uint32_t number)> run;
};

}  // namespace

struct CUgraph_st {
  std::vector<std::function<void(uint32_t)>> nodes;
};
struct CUgraphExec_st {
  std::vector<std::function<void(uint32_t)>> nodes;
};
struct CUstream_st {
  int id = 0;
  bool blocking = true;
  Clock clock;
  std::deque<Operation> queue;
  std::unique_ptr<CUgraph_st> capture;
  bool capture_relaxed = false;
  bool capture_broken = false;
};
struct CUevent_st {
  Clock clock;
  CUstream_st* stream = nullptr;  // null: never recorded
  uint32_t number = 0;
  std::chrono::steady_clock::time_point time;
};

namespace {

struct Runtime {
  CUstream_st null_stream;
  std::set<CUstream_st*> streams{&null_stream};
  std::vector<Clock> operations{{}};     // by number: what each comes after
  std::vector<int> operation_stream{0};  // by number
  Clock host;
  int next_stream = 1;
  thread_local static int device;
  thread_local static cudaError_t error;
  std::map<uintptr_t, size_t> pinned;
  std::map<const void*, int> dynamic_limits;
  bool lazy = std::getenv("CUDA_SIM_LAZY") != nullptr;
  uint64_t waits = 0;
};
thread_local int Runtime::device = 0;
thread_local cudaError_t Runtime::error = cudaSuccess;

Runtime& runtime() {
  static auto* runtime = new Runtime;
  return *runtime;
}

cudaError_t set(cudaError_t error) {
  if (error != cudaSuccess) Runtime::error = error;
  return error;
}

int device_count() {
  static const int count = [] {
    const char* text = std::getenv("CUDA_SIM_DEVICES");
    return text ? std::atoi(text) : 1;
  }();
  return count;
}

CUstream_st* real(cudaStream_t stream) {
  return stream ? stream : &runtime().null_stream;
}

void carry_out(CUstream_st* stream, size_t until_number) {
  while (!stream->queue.empty() && stream->queue.front().number <= until_number) {
    const Operation operation = std::move(stream->queue.front());
    stream->queue.pop_front();
    operation.run(operation.number);
  }
}

void carry_out_all(CUstream_st* stream) {
  carry_out(stream, UINT32_MAX);
}

/// The null stream waits for all blocking streams, and they for it.
void join_null_stream(CUstream_st* stream) {
  Runtime& r = runtime();
  if (stream == &r.null_stream) {
    for (CUstream_st* other : r.streams) {
      if (other != stream && other->blocking) {
        join(stream->clock, other->clock);
        carry_out_all(other);
      }
    }
  } else if (stream->blocking) {
    join(stream->clock, r.null_stream.clock);
    carry_out_all(&r.null_stream);
  }
}

void submit(cudaStream_t handle, std::function<void(uint32_t)> run) {
  Runtime& r = runtime();
  CUstream_st* stream = real(handle);
  if (stream->capture) {
    stream->capture->nodes.push_back(std::move(run));
    return;
  }
  join_null_stream(stream);
  join(stream->clock, r.host);
  const auto number = static_cast<uint32_t>(r.operations.size());
  r.operations.push_back(stream->clock);
  r.operation_stream.push_back(stream->id);
  stream->clock[stream->id] = number;
  stream->queue.push_back({number, std::move(run)});
  if (!r.lazy) carry_out_all(stream);
}

/// The host has waited for what `clock` names.
void host_waits(const Clock& clock) {
  join(runtime().host, clock);
}

bool any_capture() {
  const auto& streams = runtime().streams;
  return std::any_of(streams.begin(), streams.end(),
                     [](const CUstream_st* s) { return s->capture != nullptr; });
}

/// Whether a capture forbids to ask for memory.
bool any_strict_capture() {
  return std::any_of(runtime().streams.begin(), runtime().streams.end(), [](const CUstream_st* s) {
    return s->capture != nullptr && !s->capture_relaxed;
  });
}

void finish_all() {
  for (CUstream_st* stream : runtime().streams) {
    carry_out_all(stream);
    host_waits(stream->clock);
  }
}

/// Calls that a capture does not survive.
cudaError_t break_captures() {
  for (CUstream_st* stream : runtime().streams) {
    if (stream->capture) stream->capture_broken = true;
  }
  return set(cudaErrorStreamCaptureUnsupported);
}

/// Checks one side of a copy; the text of what is wrong, or nothing.
std::string check_range(const void* memory, size_t bytes, uint32_t number, bool write) {
  auto& device = cuda_sim::device_memory();
  const auto address = reinterpret_cast<uintptr_t>(memory);
  if (!device.owns(address)) return "";
  cuda_sim::Allocation* allocation = device.find(address);
  if (!allocation || allocation->freed || !allocation->contains(address, bytes)) {
    return device.describe(address);
  }
  cuda_sim::check_streams(*allocation, number, write);
  if (write) allocation->shadow.mark_written(address, bytes);
  return "";
}

/// Whether what was copied had been written counts with what it is copied to.
void copy(void* to, const void* from, size_t bytes, uint32_t number) {
  if (bytes == 0) return;
  auto& device = cuda_sim::device_memory();
  const auto source = reinterpret_cast<uintptr_t>(from);
  const auto target = reinterpret_cast<uintptr_t>(to);
  std::string wrong = check_range(from, bytes, number, false);
  if (wrong.empty() && device.owns(source) && cuda_sim::tracks_accesses()) {
    if (!device.find(source)->shadow.written(source, bytes) && !device.owns(target)) {
      cuda_sim::add_report(cuda_sim::Check::Initialisation, "cudaMemcpy",
                           "copies " + std::to_string(bytes) +
                               " bytes to the host, not all of which anyone has written: " +
                               device.describe(source));
    }
  }
  if (wrong.empty()) wrong = check_range(to, bytes, number, true);
  if (!wrong.empty()) {
    cuda_sim::add_report(cuda_sim::Check::Memory, "cudaMemcpy",
                         "copy of " + std::to_string(bytes) + " bytes: " + wrong);
    set(cudaErrorInvalidValue);
    return;
  }
  const cuda_sim::DeviceMemory::Open open(device);
  std::memmove(to, from, bytes);
}

}  // namespace

namespace cuda_sim {

void check_streams(Allocation& allocation, uint32_t operation, bool write) {
  const Runtime& r = runtime();
  const auto is_before = [&](uint32_t earlier) {
    if (earlier == 0 || earlier == operation) return true;
    const int stream = r.operation_stream[earlier];
    if (stream == r.operation_stream[operation] && earlier < operation) return true;
    const auto found = r.operations[operation].find(stream);
    return found != r.operations[operation].end() && found->second >= earlier;
  };
  const auto complain = [&](const char* what) {
    add_report(Check::Stream, "stream " + std::to_string(r.operation_stream[operation]),
               std::string(write ? "writes" : "reads") + " allocation " +
                   std::to_string(allocation.number) + " of " + std::to_string(allocation.bytes) +
                   " bytes, which another stream " + what +
                   ", without waiting for it (cudaStreamWaitEvent)");
  };
  auto& readers = allocation.last_readers;
  if (write) {
    if (allocation.last_writer == operation) return;
    if (!is_before(allocation.last_writer)) complain("writes");
    for (const uint32_t reader : readers) {
      if (!is_before(reader)) complain("reads");
    }
    allocation.last_writer = operation;
    readers.clear();
    return;
  }
  if (!readers.empty() && readers.back() == operation) return;
  if (!is_before(allocation.last_writer)) complain("writes");
  // A later reader on the same stream stands for the earlier ones.
  std::erase_if(readers, [&](uint32_t reader) {
    return r.operation_stream[reader] == r.operation_stream[operation];
  });
  readers.push_back(operation);
}

bool is_pinned(uintptr_t address) {
  const auto& pinned = runtime().pinned;
  auto at = pinned.upper_bound(address);
  if (at == pinned.begin()) return false;
  --at;
  return address - at->first < at->second;
}

uint64_t host_waits() {
  const Guard guard(big_lock());
  return runtime().waits;
}

void set_lazy(bool lazy) {
  const Guard guard(big_lock());
  for (CUstream_st* stream : runtime().streams) carry_out_all(stream);
  runtime().lazy = lazy;
}

cudaError_t set_max_dynamic_shared(const void* kernel, int bytes) {
  const Guard guard(big_lock());
  if (bytes < 0 || static_cast<size_t>(bytes) > SharedArena::kLimit)
    return set(cudaErrorInvalidValue);
  runtime().dynamic_limits[kernel] = bytes;
  return cudaSuccess;
}

cudaError_t launch(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes,
                   cudaStream_t stream, std::shared_ptr<const Call> call) {
  const Guard guard(big_lock());
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  std::string wrong;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0) {
    wrong = "an empty grid or block";
  } else if (threads > 1024 || block.z > 64) {
    wrong = "a block of " + std::to_string(threads) + " threads; at most 1024";
  } else if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    wrong = "a grid of more than (2^31 - 1, 65535, 65535) blocks";
  } else {
    const auto found = runtime().dynamic_limits.find(kernel);
    const size_t limit = found == runtime().dynamic_limits.end()
                             ? SharedArena::kStaticLimit
                             : static_cast<size_t>(found->second);
    if (shared_bytes > limit) {
      wrong = std::to_string(shared_bytes) + " bytes of dynamic shared memory; at most " +
              std::to_string(limit) + " (cudaFuncSetAttribute raises it)";
    }
  }
  if (!wrong.empty()) {
    add_report(Check::Launch, kernel_name(kernel), wrong);
    return set(cudaErrorInvalidConfiguration);
  }
  for (const void* pointer : call->pointers()) {
    const auto address = reinterpret_cast<uintptr_t>(pointer);
    if (!pointer || device_memory().owns(address) || is_pinned(address)) continue;
    add_report(Check::Launch, kernel_name(kernel), "a pointer to host memory as argument");
    return set(cudaErrorInvalidValue);
  }
  submit(stream, [=, call = std::move(call)](uint32_t number) {
    Launch launch;
    launch.kernel = kernel;
    launch.grid = grid;
    launch.block = block;
    launch.shared_bytes = shared_bytes;
    launch.call = call;
    launch.number = number;
    if (!Machine::instance().run(launch)) set(cudaErrorLaunchFailure);
  });
  return cudaSuccess;
}

}  // namespace cuda_sim

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
  }
  return "unknown";
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure (see the simulator's report)";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
  }
  return "unknown";
}

cudaError_t cudaGetLastError() {
  return std::exchange(Runtime::error, cudaSuccess);
}
cudaError_t cudaPeekAtLastError() {
  return Runtime::error;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = device_count();
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = Runtime::device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= device_count()) return set(cudaErrorInvalidDevice);
  Runtime::device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= device_count()) return set(cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "simulated CUDA device");
  properties->totalGlobalMem = cuda_sim::device_memory().total();
  properties->sharedMemPerBlock = cuda_sim::SharedArena::kStaticLimit;
  properties->sharedMemPerBlockOptin = cuda_sim::SharedArena::kLimit;
  properties->multiProcessorCount = 4;
  properties->maxThreadsPerBlock = 1024;
  properties->warpSize = 32;
  properties->major = 9;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  const Guard guard(big_lock());
  ++runtime().waits;
  if (any_capture()) return break_captures();
  finish_all();
  return Runtime::error == cudaErrorLaunchFailure ? cudaErrorLaunchFailure : cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  const Guard guard(big_lock());
  if (any_strict_capture()) return break_captures();
  *memory = cuda_sim::device_memory().allocate(bytes);
  return *memory ? cudaSuccess : set(cudaErrorMemoryAllocation);
}
cudaError_t cudaFree(void* memory) {
  const Guard guard(big_lock());
  if (!memory) return cudaSuccess;
  if (any_strict_capture()) return break_captures();
  if (!any_capture()) finish_all();
  if (cuda_sim::device_memory().free(memory)) return cudaSuccess;
  cuda_sim::add_report(cuda_sim::Check::Memory, "cudaFree",
                       cuda_sim::device_memory().describe(reinterpret_cast<uintptr_t>(memory)) +
                           " is not the beginning of an allocation in use");
  return set(cudaErrorInvalidValue);
}
cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  const Guard guard(big_lock());
  *memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!*memory) return set(cudaErrorMemoryAllocation);
  runtime().pinned[reinterpret_cast<uintptr_t>(*memory)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  const Guard guard(big_lock());
  if (!memory) return cudaSuccess;
  cudaDeviceSynchronize();
  if (runtime().pinned.erase(reinterpret_cast<uintptr_t>(memory)) == 0) {
    return set(cudaErrorInvalidValue);
  }
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const Guard guard(big_lock());
  *total = cuda_sim::device_memory().total();
  *free = *total - cuda_sim::device_memory().used();
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const Guard guard(big_lock());
  auto& device = cuda_sim::device_memory();
  const bool to_device = device.owns(reinterpret_cast<uintptr_t>(to));
  const bool from_device = device.owns(reinterpret_cast<uintptr_t>(from));
  const bool fits =
      kind == cudaMemcpyDefault ||
      (to_device == (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice) &&
       from_device == (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice));
  if (bytes > 0 && !fits) {
    cuda_sim::add_report(cuda_sim::Check::Memory, "cudaMemcpy",
                         "a pointer is not where the kind of the copy says");
    return set(cudaErrorInvalidValue);
  }
  const auto from_host = reinterpret_cast<uintptr_t>(from);
  if (!from_device && !cuda_sim::is_pinned(from_host)) {
    // Pageable memory is read before the call returns, for which a device waits for its stream.
    ++runtime().waits;
    const auto* begin = static_cast<const unsigned char*>(from);
    auto staged = std::make_shared<std::vector<unsigned char>>(begin, begin + bytes);
    submit(stream, [=](uint32_t number) { copy(to, staged->data(), bytes, number); });
    return cudaSuccess;
  }
  submit(stream, [=](uint32_t number) { copy(to, from, bytes, number); });
  const bool pageable = !to_device && !cuda_sim::is_pinned(reinterpret_cast<uintptr_t>(to));
  if (pageable) return cudaStreamSynchronize(stream);
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return error == cudaSuccess ? cudaStreamSynchronize(nullptr) : error;
}
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  const Guard guard(big_lock());
  submit(stream, [=](uint32_t number) {
    if (bytes == 0) return;
    const std::string wrong = cuda_sim::device_memory().owns(reinterpret_cast<uintptr_t>(memory))
                                  ? check_range(memory, bytes, number, true)
                                  : "not device memory";
    if (!wrong.empty()) {
      cuda_sim::add_report(cuda_sim::Check::Memory, "cudaMemset", wrong);
      set(cudaErrorInvalidValue);
      return;
    }
    const cuda_sim::DeviceMemory::Open open(cuda_sim::device_memory());
    std::memset(memory, value, bytes);
  });
  return cudaSuccess;
}
cudaError_t cudaMemset(void* memory, int value, size_t bytes) {
  return cudaMemsetAsync(memory, value, bytes, nullptr);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  const Guard guard(big_lock());
  *stream = new CUstream_st;
  (*stream)->id = runtime().next_stream++;
  (*stream)->blocking = (flags & cudaStreamNonBlocking) == 0;
  runtime().streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Guard guard(big_lock());
  if (runtime().streams.erase(stream) == 0 || !stream) return set(cudaErrorInvalidValue);
  carry_out_all(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  const Guard guard(big_lock());
  ++runtime().waits;
  CUstream_st* stream = real(handle);
  if (any_capture()) return break_captures();
  join_null_stream(stream);
  carry_out_all(stream);
  host_waits(stream->clock);
  return Runtime::error == cudaErrorLaunchFailure ? cudaErrorLaunchFailure : cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t handle) {
  const Guard guard(big_lock());
  CUstream_st* stream = real(handle);
  if (stream->queue.empty()) {
    host_waits(stream->clock);
    return cudaSuccess;
  }
  return cudaErrorNotReady;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  const Guard guard(big_lock());
  CUstream_st* stream = real(handle);
  if (!event->stream) return cudaSuccess;
  join(stream->clock, event->clock);
  if (runtime().lazy) {
    CUstream_st* other = event->stream;
    const uint32_t number = event->number;
    submit(handle, [=](uint32_t) { carry_out(other, number); });
  }
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* data) {
  const Guard guard(big_lock());
  submit(stream, [=](uint32_t) { function(data); });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  const Guard guard(big_lock());
  CUstream_st* stream = real(handle);
  join_null_stream(stream);
  event->stream = stream;
  event->clock = stream->clock;
  event->number = event->clock[stream->id];
  event->time = std::chrono::steady_clock::now();
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Guard guard(big_lock());
  ++runtime().waits;
  if (any_capture()) return break_captures();
  if (event->stream) carry_out(event->stream, event->number);
  host_waits(event->clock);
  return Runtime::error == cudaErrorLaunchFailure ? cudaErrorLaunchFailure : cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Guard guard(big_lock());
  const bool pending = event->stream && !event->stream->queue.empty() &&
                       event->stream->queue.front().number <= event->number;
  if (pending) return cudaErrorNotReady;
  host_waits(event->clock);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const Guard guard(big_lock());
  if (!stream || stream->capture) return set(cudaErrorStreamCaptureUnsupported);
  carry_out_all(stream);
  stream->capture = std::make_unique<CUgraph_st>();
  stream->capture_broken = false;
  stream->capture_relaxed = mode == cudaStreamCaptureModeRelaxed;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Guard guard(big_lock());
  if (!stream || !stream->capture) return set(cudaErrorInvalidValue);
  auto capture = std::move(stream->capture);
  if (stream->capture_broken) {
    *graph = nullptr;
    return set(cudaErrorStreamCaptureInvalidated);
  }
  *graph = capture.release();
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = real(stream)->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  *executable = new CUgraphExec_st{graph->nodes};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const Guard guard(big_lock());
  for (const auto& node : executable->nodes) submit(stream, node);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
