#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

#include <boost/context/detail/fcontext.hpp>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_sim {
namespace {

namespace context = boost::context::detail;

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kStackBytes = size_t{256} << 10;
void start_switch(void** fake, const void* stack, size_t bytes) {
  __sanitizer_start_switch_fiber(fake, stack, bytes);
}
void finish_switch(void* fake, const void** stack, size_t* bytes) {
  __sanitizer_finish_switch_fiber(fake, stack, bytes);
}
void unpoison(void* memory, size_t bytes) {
  __asan_unpoison_memory_region(memory, bytes);
}
#else
constexpr size_t kStackBytes = size_t{64} << 10;
void start_switch(void**, const void*, size_t) {}
void finish_switch(void*, const void**, size_t*) {}
void unpoison(void*, size_t) {}
#endif

}  // namespace

struct Fiber::Entry {
  static void run(context::transfer_t transfer) {
    auto& fiber = *static_cast<Fiber*>(transfer.data);
    finish_switch(nullptr, &fiber.caller_stack_, &fiber.caller_bytes_);
    fiber.caller_ = transfer.fctx;
    fiber.body_(fiber.argument_);
    fiber.done_ = true;
    start_switch(nullptr, fiber.caller_stack_, fiber.caller_bytes_);
    context::jump_fcontext(fiber.caller_, nullptr);
    std::abort();  // A fiber that has returned is prepared again before it is resumed.
  }
};

Fiber::Fiber() : bytes_(kStackBytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, bytes_ + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, page, PROT_NONE);
  stack_ = static_cast<char*>(memory) + page;
}

Fiber::~Fiber() {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  munmap(static_cast<char*>(stack_) - page, bytes_ + page);
}

void Fiber::prepare(void (*body)(void*), void* argument) {
  // What returned has unpoisoned its frames, but for that of Entry::run.
  constexpr size_t kEntryBytes = 4096;
  const size_t stale = done_ ? kEntryBytes : bytes_;
  unpoison(static_cast<char*>(stack_) + bytes_ - stale, stale);
  body_ = body;
  argument_ = argument;
  done_ = false;
  context_ = context::make_fcontext(static_cast<char*>(stack_) + bytes_, bytes_, Entry::run);
}

bool Fiber::resume() {
  void* fake = nullptr;
  start_switch(&fake, stack_, bytes_);
  const context::transfer_t transfer =
      context::jump_fcontext(static_cast<context::fcontext_t>(context_), this);
  finish_switch(fake, nullptr, nullptr);
  context_ = transfer.fctx;
  return done_;
}

void Fiber::suspend() {
  start_switch(&fake_stack_, caller_stack_, caller_bytes_);
  const context::transfer_t transfer = context::jump_fcontext(caller_, nullptr);
  finish_switch(fake_stack_, &caller_stack_, &caller_bytes_);
  caller_ = transfer.fctx;
}

}  // namespace cuda_sim
