#include <kestrel/kernels/cpu/scratch.h>

#include <sys/mman.h>

#include <array>
#include <cstdlib>
#include <memory>

#include <kestrel/kernels/cpu/weight_cache.h>
#include <kestrel/kernels/error.h>

namespace kestrel::cpu {

AlignedFloats allocate_floats(int64_t floats) {
  // Large blocks are strided through: huge pages spare the translation misses.
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t bytes = static_cast<size_t>(floats) * sizeof(float);
  const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  const size_t rounded = (bytes + 63) / 64 * 64;
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, rounded) != 0)
    fail<OutOfMemoryError>("[conv2d] no memory for ", rounded, " bytes of work space");
  // The rest, on small pages, takes no more than it needs.
  if (alignment == kHugePage) madvise(memory, rounded / kHugePage * kHugePage, MADV_HUGEPAGE);
  return AlignedFloats(static_cast<float*>(memory), &std::free);
}

float* scratch(Scratch use, int64_t floats) {
  struct Block {
    AlignedFloats memory{nullptr, &std::free};
    int64_t size = 0;
  };
  thread_local std::array<Block, static_cast<size_t>(Scratch::Count)> blocks;
  Block& block = blocks[static_cast<size_t>(use)];
  if (block.size < floats || !block.memory) {
    block.memory.reset();
    block.size = 0;
    block.memory = allocate_floats(floats > 0 ? floats : 1);
    block.size = floats;
  }
  return block.memory.get();
}

}  // namespace kestrel::cpu
