#include <kestrel/registry/options.h>

#include <algorithm>

#include <kestrel/registry/option_docs.h>

namespace kestrel {

void OptionsReader::refuse_unknown_keys(std::initializer_list<std::string_view> also_known) const {
  for (const Config::Entry& entry : node_.entries()) {
    if (std::ranges::find(names_, entry.key) != names_.end()) continue;
    if (std::ranges::find(also_known, entry.key) != also_known.end()) continue;
    const std::string where = entry.value.location();
    fail<UsageError>(where, where.empty() ? "" : ": ", node_.path(),
                     node_.path().empty() ? "" : ": ", "unknown key '", entry.key, "'",
                     did_you_mean(entry.key, names_));
  }
}

namespace options_detail {

void fail_size(const Config& node, size_t expected) {
  node.fail("expected " + std::to_string(expected) + " items, got " + std::to_string(node.size()));
}

void fail_enum(const Config& node, const std::vector<std::string>& names) {
  std::string text = "expected one of ";
  for (size_t i = 0; i < names.size(); ++i) text += (i ? ", " : "") + names[i];
  text += ", got " + node.describe();
  if (node.is_string()) text += did_you_mean(node.as_string(), names);
  node.fail(text);
}

void fail_range(const Config& node) {
  node.fail(node.describe() + " does not fit this setting");
}

std::string default_text(const Config& value) {
  try {
    return value.to_json();
  } catch (const UsageError&) {  // not finite
    return value.describe();
  }
}

}  // namespace options_detail
}  // namespace kestrel
