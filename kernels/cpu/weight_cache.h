#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace kestrel::cpu {

using AlignedFloats = std::unique_ptr<float, void (*)(void*)>;
AlignedFloats allocate_floats(int64_t floats);

/// How weights are packed. One weight_key may have several packings.
enum class Packing : uint8_t {
  Forward,
  BackwardData,
  WinogradForward,
  WinogradBackwardData,
  Grouped,
  GroupedBackwardData,
  Matmul,
  OneDnnForward,
  OneDnnBackwardData,
};

/// Packed weights: of the cache, or of the calling thread's scratch (then without an owner).
struct PackedWeights {
  const float* data = nullptr;
  std::shared_ptr<const float> owner;
};

/// The packing of `floats` floats that `pack` writes. With key 0 it is written anew into scratch.
/// Otherwise it is looked up under (key, packing, variant) first; `variant` tells apart what else
/// the packing depends on, such as strides. The least recently used ones make room.
PackedWeights packed_weights(uint64_t key, Packing packing, uint64_t variant, int64_t floats,
                             const std::function<void(float*)>& pack);

/// Drops all packings under the key.
void forget_weights(uint64_t key);

}  // namespace kestrel::cpu
