#pragma once

namespace kestrel {

/// The one place where Kestrel's version stands: CMake reads it, and plug-ins keep what they were
/// compiled with.
inline constexpr const char* kVersion = "0.1.0";

}  // namespace kestrel
