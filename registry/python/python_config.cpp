#include <kestrel/registry/python/python_config.h>

#include <algorithm>
#include <memory>
#include <unordered_set>
#include <utility>

#include <kestrel/registry/config_loader.h>
#include <kestrel/registry/python/evaluator.h>
#include <kestrel/registry/python/parser.h>

namespace kestrel::python {
namespace {

using Kind = Value::Kind;

/// Turns values into a tree, in which a list that several names share is copied.
class TreeBuilder {
 public:
  explicit TreeBuilder(const Source& source)
      : source_(source), file_(std::make_shared<const std::string>(source.name)) {}

  Config build(const Value& value, int depth) {
    if (depth > ConfigLoader::kMaxDepth) source_.fail(value.line, "this is nested too deeply");
    count(value.line, 0);
    Config node = build_kind(value, depth);
    ConfigLoader::set_place(node, file_, value.line);
    return node;
  }

  Config build(const Dict& dict, int line, int depth) {
    Config node = Config::map();
    std::unordered_set<std::string> keys;
    for (const Dict::Entry& entry : dict.entries) {
      std::string key = key_text(entry.key);
      count(entry.key.line, key.size());
      if (key.empty()) source_.fail(entry.key.line, "a key is empty");
      if (!keys.insert(key).second) source_.fail(line, "the key '", key, "' is there twice");
      Config value = build(entry.value, depth + 1);
      ConfigLoader::set_place(value, file_, entry.key.line);
      ConfigLoader::append(node, std::move(key), std::move(value));
    }
    return node;
  }

 private:
  Config build_kind(const Value& value, int depth) {
    switch (value.kind) {
      case Kind::None:
        return {};
      case Kind::Bool:
        return value.integer() != 0;
      case Kind::Int:
        return value.integer();
      case Kind::Float:
        return value.real();
      case Kind::Text:
        return plain(value);
      case Kind::Reference:
        count(value.line, value.text().size());
        return ConfigLoader::reference(value.text());
      case Kind::List:
      case Kind::Tuple: {
        Config node = Config::list();
        for (const Value& item : value.items()) node.push_back(build(item, depth + 1));
        return node;
      }
      case Kind::Dict:
        return build(value.dict(), value.line, depth);
      case Kind::Range:
      case Kind::Iterator:
        break;
    }
    source_.fail(value.line, describe(value), " cannot be a setting: make it a list, list(...)");
  }

  const std::string& plain(const Value& value) {
    const std::string& text = value.text();
    count(value.line, text.size());
    if (std::ranges::any_of(text, ConfigLoader::is_mark)) {
      source_.fail(value.line, "a text holds a control character");
    }
    return text;
  }

  std::string key_text(const Value& key) {
    switch (key.kind) {
      case Kind::Text:
        return plain(key);
      case Kind::None:
        return "null";
      case Kind::Bool:
        return key.integer() ? "true" : "false";
      default:
        return describe(key);
    }
  }

  void count(int line, size_t text) {
    bytes_ += text;
    if (++nodes_ > ConfigLoader::kMaxNodes || bytes_ > ConfigLoader::kMaxBytes) {
      source_.fail(line, "too many values; a list counts each time it is used");
    }
  }

  const Source& source_;
  std::shared_ptr<const std::string> file_;
  int nodes_ = 0;
  size_t bytes_ = 0;
};

// UTF-8 with line ends as Python sees them.
std::string normalised(std::string_view text, const std::string& name) {
  std::string out;
  out.reserve(text.size());
  int line = 1;
  const auto fail_byte = [&] {
    fail<UsageError>(name, ":", line, ": the text is not UTF-8, or holds a control character");
  };
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t more = byte < 0x80 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte == 0 || (byte >= 0x80 && byte < 0xc2) || byte > 0xf4 || i + more >= text.size()) {
      fail_byte();
    }
    uint32_t code = more == 0 ? byte : byte & (0x3fu >> more);
    for (size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) fail_byte();
      code = code << 6 | (next & 0x3fu);
    }
    const bool overlong = (more == 2 && code < 0x800) || (more == 3 && code < 0x10000);
    if (overlong || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff) fail_byte();
    if (byte == '\r') {
      out += '\n';
      i += i + 1 < text.size() && text[i + 1] == '\n' ? 2 : 1;
      ++line;
      continue;
    }
    if (byte == '\n') ++line;
    out += text.substr(i, more + 1);
    i += more + 1;
  }
  return out;
}

}  // namespace

Config read_config(std::string_view text, const std::string& name) {
  const std::string unified = normalised(text, name);
  const Source source{.name = name, .text = unified};
  const std::vector<Statement> statements = Parser(source).file();
  Heap heap(source);
  Evaluator evaluator(heap);
  evaluator.run(statements);
  Dict settings;
  for (const Dict::Entry& entry : evaluator.names().entries) {
    const std::string& key = entry.key.text();
    if (!key.starts_with("__")) settings.set(key, entry.key, entry.value);
  }
  Config config = TreeBuilder(source).build(settings, 1, 0);
  for (const std::string& used : evaluator.used()) ConfigLoader::mark_variable(config, used);
  ConfigLoader::finish(config, source.name);
  return config;
}

}  // namespace kestrel::python
