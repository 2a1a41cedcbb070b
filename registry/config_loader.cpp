#include <kestrel/registry/config_loader.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <kestrel/kernels/log.h>
#include <kestrel/registry/python/python_config.h>

namespace kestrel {
namespace {

constexpr int kMaxFiles = 200;

// {{x}} is hidden from the YAML reader, to whom it is a map, between two bytes that YAML forbids.
constexpr char kOpen = '\x0e';
constexpr char kClose = '\x0f';
constexpr std::string_view kReference = "_base_.";

std::string read_file(const std::filesystem::path& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error) fail<UsageError>(file.string(), ": cannot be read: ", error.message());
  if (size > ConfigLoader::kMaxBytes)
    fail<UsageError>(file.string(), ": is too large for a config");
  std::ifstream in(file, std::ios::binary);
  std::string text(size, '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(size))) {
    fail<UsageError>(file.string(), ": cannot be read");
  }
  return text;
}

std::string hide_references(std::string_view text) {
  if (text.find("{{") == std::string_view::npos) return std::string(text);
  static const std::regex pattern(R"(\{\{\s*(_base_(?:\.\w+)+|file\w+)\s*\}\})");
  return std::regex_replace(std::string(text), pattern,
                            std::string{kOpen} + "$1" + std::string{kClose});
}

void check_characters(std::string_view text, const std::string& name) {
  int line = 1;
  for (const char c : text) {
    if (c == '\n') ++line;
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t') {
      fail<UsageError>(name, ":", line, ": control character in the text");
    }
  }
}

// Hears the reader's events and keeps nothing.
class Deaf final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

// YAML::LoadAll would tell, but yaml-cpp 0.7 makes endless documents of some texts ("-\n\n%\na").
bool has_second_document(const std::string& yaml) {
  std::istringstream stream(yaml);
  YAML::Parser parser(stream);
  Deaf deaf;
  return parser.HandleNextDocument(deaf) && parser.HandleNextDocument(deaf);
}

std::string file_variable(const std::string& name, const std::filesystem::path& file) {
  if (name == "fileDirname") return file.parent_path().string();
  if (name == "fileBasename") return file.filename().string();
  if (name == "fileBasenameNoExtension") return file.stem().string();
  if (name == "fileExtname") return file.extension().string();
  fail<UsageError>("no such variable: {{", name, "}}");
}

// In Python files {{ fileDirname }} and its like stand for text before it is read, quotes or not;
// the folder is absolute.
std::string put_file_variables(std::string text, const std::filesystem::path& file) {
  const std::filesystem::path full = std::filesystem::absolute(file).lexically_normal();
  for (const char* name :
       {"fileDirname", "fileBasename", "fileBasenameNoExtension", "fileExtname"}) {
    const std::string value = file_variable(name, full);
    for (size_t begin = text.find("{{"); begin != std::string::npos;
         begin = text.find("{{", begin)) {
      const size_t word = std::min(text.find_first_not_of(" \t\r\n\f\v", begin + 2), text.size());
      const size_t after = word + std::string_view(name).size();
      const size_t end = text.find_first_not_of(" \t\r\n\f\v", std::min(after, text.size()));
      if (text.compare(word, after - word, name) != 0 || end == std::string::npos ||
          text.compare(end, 2, "}}") != 0) {
        ++begin;
        continue;
      }
      text.replace(begin, end + 2 - begin, value);
      begin += value.size();
    }
  }
  return text;
}

void warn_deprecated(const std::filesystem::path& file, const Config& deprecation) {
  std::string text = file.string() + ": this config will go";
  if (!deprecation.is_map()) return warn(text);
  if (const Config* expected = deprecation.find("expected"); expected && expected->is_string()) {
    text += "; use " + expected->as_string();
  }
  if (const Config* more = deprecation.find("reference"); more && more->is_string()) {
    text += " (" + more->as_string() + ")";
  }
  warn(text);
}

}  // namespace

// Turns the YAML reader's graph into a tree, in which an alias is a copy.
class ConfigLoader::Converter {
 public:
  explicit Converter(std::string name)
      : file_(std::make_shared<const std::string>(std::move(name))) {}

  Config convert(const YAML::Node& node, int depth = 0) {
    Config value;
    value.file_ = file_;
    value.line_ = node.Mark().line + 1;
    if (depth > kMaxDepth) value.fail("is nested too deeply, or is an alias of itself");
    if (node.IsScalar()) bytes_ += node.Scalar().size();
    if (++nodes_ > kMaxNodes || bytes_ > kMaxBytes) {
      value.fail("too many values; aliases count each time they are used");
    }
    if (node.IsScalar()) {
      convert_scalar(node, value);
    } else if (node.IsSequence()) {
      value.kind_ = Config::Kind::List;
      for (const YAML::Node& item : node) value.items_.push_back(convert(item, depth + 1));
    } else if (node.IsMap()) {
      convert_map(node, depth, value);
    }
    return value;
  }

 private:
  static void convert_scalar(const YAML::Node& node, Config& value) {
    const bool plain = node.Tag() == "?" || node.Tag().empty();
    if (!plain && node.Tag() != "!") value.fail("tag " + node.Tag() + " is not supported");
    Config scalar = plain ? parse_scalar(node.Scalar()) : Config(node.Scalar());
    scalar.file_ = value.file_;
    scalar.line_ = value.line_;
    value = std::move(scalar);
  }

  void convert_map(const YAML::Node& node, int depth, Config& value) {
    value.kind_ = Config::Kind::Map;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar() || entry.first.Scalar().empty()) {
        value.fail("a key of this map is not a name");
      }
      const std::string& key = entry.first.Scalar();
      Config child = convert(entry.second, depth + 1);
      child.line_ = entry.first.Mark().line + 1;
      if (const Config* first = value.find(key)) {
        child.fail("key '" + key + "' is there twice, first in line " +
                   std::to_string(first->line_));
      }
      value.entries_.push_back({key, std::move(child)});
    }
  }

  std::shared_ptr<const std::string> file_;
  int nodes_ = 0;
  size_t bytes_ = 0;
};

Config ConfigLoader::parse(std::string_view text, std::string name) {
  check_characters(text, name);
  try {
    const std::string yaml = hide_references(text);
    if (has_second_document(yaml)) fail<UsageError>(name, ": holds more than one YAML document");
    Config config = Converter(name).convert(YAML::Load(yaml));
    if (config.is_null()) config.kind_ = Config::Kind::Map;
    config.set_path("");
    return config;
  } catch (const YAML::Exception& e) {
    const std::string line = e.mark.is_null() ? "" : ':' + std::to_string(e.mark.line + 1);
    fail<UsageError>(name, line, ": not valid YAML: ", e.msg);
  }
}

void ConfigLoader::set_place(Config& node, const std::shared_ptr<const std::string>& file,
                             int line) {
  node.file_ = file;
  node.line_ = line;
}

void ConfigLoader::append(Config& map, std::string key, Config value) {
  map.entries_.push_back({std::move(key), std::move(value)});
}

void ConfigLoader::mark_variable(Config& map, std::string_view key) {
  if (Config* value = map.find_mutable(key)) value->variable_ = true;
}

void ConfigLoader::finish(Config& root, const std::string& file) {
  set_place(root, std::make_shared<const std::string>(file), 1);
  root.set_path("");
}

Config ConfigLoader::reference(std::string_view name) {
  return kOpen + std::string(kReference) + std::string(name) + kClose;
}

bool ConfigLoader::is_mark(char c) {
  return c == kOpen || c == kClose;
}

Config ConfigLoader::read(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  if (file.extension() != ".py") return parse(text, file.string());
  return python::read_config(put_file_variables(text, file), file.string());
}

Config ConfigLoader::load(const std::filesystem::path& file) {
  std::error_code error;
  const std::filesystem::path identity = std::filesystem::weakly_canonical(file, error);
  if (std::ranges::find(open_, identity) != open_.end()) {
    fail<UsageError>(file.string(), ": is its own base, by way of ", open_.back().string());
  }
  if (++files_ > kMaxFiles) fail<UsageError>(file.string(), ": more than ", kMaxFiles, " bases");
  Config own = read(file);
  if (!own.is_map()) own.fail("a config has to be a map, got " + own.describe());
  if (const Config* deprecation = own.find("_deprecation_")) {
    warn_deprecated(file, *deprecation);
    own.erase("_deprecation_");
  }

  open_.push_back(identity);
  Config result = Config::map();
  result.file_ = own.file_;
  result.line_ = own.line_;
  if (const Config* bases = own.find("_base_")) {
    Config merged = load_bases(*bases, file.parent_path());
    result.entries_ = std::move(merged.entries_);
  }
  open_.pop_back();
  own.erase("_base_");
  substitute(own, result, file);
  result.merge(own);
  return result;
}

Config ConfigLoader::load_bases(const Config& names, const std::filesystem::path& directory) {
  Config merged = Config::map();
  const auto add = [&](const Config& name) {
    const std::filesystem::path file = (directory / name.as_string()).lexically_normal();
    if (!std::filesystem::is_regular_file(file)) name.fail("no such file: " + file.string());
    for (Config::Entry& entry : load(file).entries_) {
      if (const Config* other = merged.find(entry.key)) {
        name.fail("key '" + entry.key + "' is in two bases: " + other->location() + " and " +
                  entry.value.location());
      }
      merged.entries_.push_back(std::move(entry));
    }
  };
  if (names.is_list()) {
    for (const Config& name : names.items()) add(name);
  } else {
    add(names);
  }
  return merged;
}

void ConfigLoader::substitute(Config& node, const Config& bases,
                              const std::filesystem::path& file) {
  for (Config& item : node.items_) substitute(item, bases, file);
  for (Config::Entry& entry : node.entries_) substitute(entry.value, bases, file);
  if (!node.is_string()) return;
  std::string& text = node.string_;
  for (size_t begin = text.find(kOpen); begin != std::string::npos; begin = text.find(kOpen)) {
    const size_t end = text.find(kClose, begin);
    const std::string name = text.substr(begin + 1, end - begin - 1);
    if (!name.starts_with(kReference)) {
      text.replace(begin, end - begin + 1, file_variable(name, file));
      continue;
    }
    const Config* value = &bases;
    for (size_t dot = 6; dot != std::string::npos;) {
      const size_t next = name.find('.', dot + 1);
      const std::string key =
          name.substr(dot + 1, next == std::string::npos ? next : next - dot - 1);
      value = value->is_map() ? value->find(key) : nullptr;
      if (!value) node.fail("the bases have no value for {{" + name + "}}");
      dot = next;
    }
    if (begin == 0 && end + 1 == text.size()) {
      const auto origin = node.file_;
      const int line = node.line_;
      node = *value;
      node.set_origin(origin, line);
      return;
    }
    text.replace(begin, end - begin + 1,
                 value->is_string() ? value->as_string() : value->describe());
  }
}

Config Config::load(const std::filesystem::path& file) {
  Config config = ConfigLoader().load(file);
  if (file.extension() == ".py") {
    for (const char* key : {"filename", "text", "pretty_text"}) {
      if (const Config* value = config.find(key)) {
        value->fail("a config may not have this key: MMDetection keeps it for itself");
      }
    }
  }
  return config;
}

Config Config::parse(std::string_view text, std::string name) {
  return ConfigLoader::parse(text, std::move(name));
}

}  // namespace kestrel
