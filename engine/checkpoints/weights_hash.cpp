#include <kestrel/engine/checkpoints/weights_hash.h>

#include <fmt/format.h>

#include <span>

#include <kestrel/kernels/fnv1a.h>

namespace kestrel {

std::string weights_hash(const Module& model) {
  uint64_t hash = kFnv1aStart;
  for (const auto& [name, tensor] : model.state_dict()) {
    hash = fnv1a(std::as_bytes(std::span(name)), hash);
    const Tensor host = tensor.to(Device::cpu());
    hash = fnv1a({static_cast<const std::byte*>(host.raw()), host.bytes()}, hash);
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace kestrel
