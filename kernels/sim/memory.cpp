#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define CUDA_SIM_POISON(address, bytes) __asan_poison_memory_region((void*)(address), bytes)
#define CUDA_SIM_UNPOISON(address, bytes) __asan_unpoison_memory_region((void*)(address), bytes)
#else
#define CUDA_SIM_POISON(address, bytes) (void)0
#define CUDA_SIM_UNPOISON(address, bytes) (void)0
#endif

namespace cuda_sim {
namespace {

constexpr size_t kAlignment = 256;
constexpr unsigned char kFresh = 0xFF;

size_t page_size() {
  static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

size_t round_up(size_t value, size_t step) {
  return (value + step - 1) / step * step;
}

size_t total_from_environment() {
  const char* text = std::getenv("CUDA_SIM_MEMORY_MIB");
  const size_t mib = text ? std::strtoull(text, nullptr, 10) : 4096;
  return mib << 20;
}

struct sigaction previous_handler;

/// Says what the host did before the process dies of it.
void on_segfault(int number, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  if (device_memory().owns(address)) {
    static const char text[] =
        "cuda_sim: host code touched device memory outside of kernels and copies\n";
    [[maybe_unused]] const auto ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
  }
  if (previous_handler.sa_flags & SA_SIGINFO && previous_handler.sa_sigaction) {
    previous_handler.sa_sigaction(number, info, context);
    return;
  }
  std::signal(SIGSEGV, SIG_DFL);
  std::raise(SIGSEGV);
}

}  // namespace

DeviceMemory::DeviceMemory() : total_(total_from_environment()) {
  void* memory =
      mmap(nullptr, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  base_ = reinterpret_cast<uintptr_t>(memory);
  // A page that nobody may touch comes before the first allocation, too.
  next_ = base_ + page_size();
  key_ = pkey_alloc(0, PKEY_DISABLE_ACCESS);
  struct sigaction action {};
  action.sa_sigaction = on_segfault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &previous_handler);
}

void* DeviceMemory::allocate(size_t bytes) {
  if (bytes > total_ - used_) return nullptr;
  // A gap behind every allocation, and pages that no other shares where memory protection works by
  // page.
  const size_t room = round_up(bytes + kAlignment, page_size());
  if (next_ + room > base_ + kReserved) return nullptr;
  const uintptr_t begin = next_;
  next_ += room;
  used_ += bytes;
  auto allocation = std::make_unique<Allocation>(begin, bytes, ++count_);
  auto* memory = reinterpret_cast<void*>(begin);
  const Open open(*this);
  mprotect(memory, room, PROT_READ | PROT_WRITE);
  if (key_ >= 0) pkey_mprotect(memory, room, PROT_READ | PROT_WRITE, key_);
  std::memset(memory, kFresh, bytes);
  CUDA_SIM_POISON(begin + bytes, room - bytes);
  allocations_.emplace(begin, std::move(allocation));
  live_.emplace(begin, room);
  return memory;
}

bool DeviceMemory::free(void* memory) {
  const auto found = allocations_.find(reinterpret_cast<uintptr_t>(memory));
  if (found == allocations_.end() || found->second->freed) return false;
  Allocation& allocation = *found->second;
  allocation.freed = true;
  used_ -= allocation.bytes;
  allocation.shadow = Shadow(allocation.begin, allocation.bytes);
  const size_t room = round_up(allocation.bytes + kAlignment, page_size());
  CUDA_SIM_UNPOISON(allocation.begin, room);
  // The pages go back to the system; the addresses stay unusable.
  mmap(memory, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  live_.erase(allocation.begin);
  return true;
}

Allocation* DeviceMemory::find(uintptr_t address) {
  // No two allocations share a page.
  Allocation*& found = found_[address / kPage % found_.size()];
  if (found && found->contains(address, 1)) return found;
  auto at = allocations_.upper_bound(address);
  if (at == allocations_.begin()) return nullptr;
  return found = std::prev(at)->second.get();
}

std::string DeviceMemory::describe(uintptr_t address) {
  const Allocation* allocation = find(address);
  if (!allocation) return "no allocation is near";
  const std::string name = (allocation->freed ? "freed allocation " : "allocation ") +
                           std::to_string(allocation->number) + " of " +
                           std::to_string(allocation->bytes) + " bytes";
  const uintptr_t end = allocation->begin + allocation->bytes;
  if (address >= end) return std::to_string(address - end) + " bytes behind " + name;
  return "byte " + std::to_string(address - allocation->begin) + " of " + name;
}

void DeviceMemory::open() {
  if (open_++ > 0) return;
  if (key_ >= 0) {
    pkey_set(key_, 0);
    return;
  }
  // Neighbours in one call.
  for (auto at = live_.begin(); at != live_.end();) {
    const uintptr_t begin = at->first;
    uintptr_t end = begin;
    for (; at != live_.end() && at->first == end; ++at) end += at->second;
    mprotect(reinterpret_cast<void*>(begin), end - begin, PROT_READ | PROT_WRITE);
  }
}

void DeviceMemory::close() {
  if (--open_ > 0) return;
  if (key_ >= 0) {
    pkey_set(key_, PKEY_DISABLE_ACCESS);
    return;
  }
  mprotect(reinterpret_cast<void*>(base_), next_ - base_, PROT_NONE);
}

DeviceMemory& device_memory() {
  static auto* memory = new DeviceMemory;
  return *memory;
}

SharedArena::SharedArena() : shadow_(0, 0) {
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  base_ = next_ = reinterpret_cast<uintptr_t>(memory);
  shadow_ = Shadow(base_, kBytes);
}

void SharedArena::reset(size_t dynamic_bytes) {
  auto* memory = reinterpret_cast<void*>(base_);
  CUDA_SIM_UNPOISON(base_, kBytes);
  std::memset(memory, kFresh, next_ - base_);
  CUDA_SIM_POISON(base_, kBytes);
  objects_.clear();
  shadow_.mark_unwritten(next_ - base_);
  next_ = base_;
  used_ = 0;
  if (dynamic_bytes > 0) object(nullptr, "dynamic shared memory", dynamic_bytes, 16);
}

void* SharedArena::object(const void* key, const char* name, size_t bytes, size_t alignment) {
  for (const Object& object : objects_) {
    if (object.key == key) return reinterpret_cast<void*>(object.begin);
  }
  // Aligned as the start of shared memory is, so that banks come out as the source means them.
  const uintptr_t begin = round_up(next_ + kGap, std::max<size_t>(alignment, 128));
  if (begin + bytes + kGap > base_ + kBytes) return nullptr;
  next_ = begin + bytes;
  used_ = round_up(used_, alignment) + bytes;
  objects_.push_back({key, name, begin, bytes});
  auto* memory = reinterpret_cast<void*>(begin);
  CUDA_SIM_UNPOISON(begin, bytes);
  std::memset(memory, kFresh, bytes);
  return memory;
}

void* SharedArena::dynamic() const {
  for (const Object& object : objects_) {
    if (object.key == nullptr) return reinterpret_cast<void*>(object.begin);
  }
  return nullptr;
}

bool SharedArena::contains(uintptr_t address, size_t bytes, std::string* text) {
  const Object* before = nullptr;
  for (const Object& object : objects_) {
    if (object.begin > address) continue;
    if (address + bytes <= object.begin + object.bytes) return true;
    before = &object;
  }
  if (text) {
    *text = before ? std::to_string(address - before->begin) + " bytes into " + before->name +
                         " of " + std::to_string(before->bytes) + " bytes"
                   : "before all objects";
  }
  return false;
}

}  // namespace cuda_sim
