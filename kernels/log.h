#pragma once

#include <functional>
#include <string_view>

namespace kestrel {

using WarningSink = std::function<void(std::string_view)>;

/// Tells the application of something that was wrong and was worked around, such as a dropped
/// annotation. Goes to the sink; without one it is dropped: the library itself never prints.
void warn(std::string_view text);

/// Sets where warnings go, for all threads; an empty sink drops them. Returns the previous sink.
WarningSink set_warning_sink(WarningSink sink);

}  // namespace kestrel
