#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kestrel {

constexpr uint64_t kFnv1aStart = 0xcbf29ce484222325;

/// The 64-bit FNV-1a hash of bytes (http://www.isthe.com/chongo/tech/comp/fnv), or of these after
/// others whose hash is given. Tells files apart; it is no defence against anybody.
constexpr uint64_t fnv1a(std::span<const std::byte> bytes, uint64_t hash = kFnv1aStart) {
  for (const std::byte byte : bytes) hash = (hash ^ static_cast<uint64_t>(byte)) * 0x100000001b3;
  return hash;
}

}  // namespace kestrel
