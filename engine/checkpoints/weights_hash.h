#pragma once

#include <string>

#include <kestrel/layers/module.h>

namespace kestrel {

/// 64-bit FNV-1a over the names and bytes of all parameters and buffers, as 16 hex digits: equal
/// for bit-equal models.
std::string weights_hash(const Module& model);

}  // namespace kestrel
