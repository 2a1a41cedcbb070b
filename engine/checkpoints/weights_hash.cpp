#include <kestrel/engine/checkpoints/weights_hash.h>

#include <fmt/format.h>

#include <span>

namespace kestrel {

std::string weights_hash(const Module& model) {
  uint64_t hash = 0xcbf29ce484222325u;
  const auto mix = [&](std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      hash = (hash ^ static_cast<uint64_t>(byte)) * 0x100000001b3u;
    }
  };
  for (const auto& [name, tensor] : model.state_dict()) {
    mix(std::as_bytes(std::span(name)));
    const Tensor host = tensor.to(Device::cpu());
    mix({static_cast<const std::byte*>(host.raw()), host.bytes()});
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace kestrel
