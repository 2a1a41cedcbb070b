#pragma once

#include <cstddef>
#include <span>

#include <kestrel/kernels/error.h>
#include <kestrel/tensor/pth.h>

namespace kestrel {

/// Touches every value of the tree.
inline void walk(const PickleValue& value) {
  if (const auto* items = std::get_if<PickleValue::Items>(&value.value)) {
    for (const PickleValue* item : *items) walk(*item);
  } else if (const auto* entries = std::get_if<PickleValue::Entries>(&value.value)) {
    for (const auto& [key, item] : *entries) {
      walk(*key);
      walk(*item);
    }
  } else if (const auto* tensor = std::get_if<Tensor>(&value.value)) {
    static_cast<void>(tensor->clone());
  }
}

/// Parses and uses a PyTorch file; throws nothing but what its reader may.
inline void try_pth(std::span<const std::byte> bytes) {
  try {
    const PthFile file = parse_pth(bytes, "fuzz");
    walk(file.root());
    static_cast<void>(file.state_dict());
  } catch (const ModelFileError&) {
  }
}

}  // namespace kestrel
