#include <algorithm>
#include <cctype>

#include <kestrel/data/datasets/class_map.h>

namespace kestrel {
namespace {

using Names = std::vector<std::string>;

int64_t place_of(const std::string& name, const Names& names) {
  const auto at = std::ranges::find(names, name);
  return at == names.end() ? -1 : at - names.begin();
}

bool equal_but_for_case(const std::string& a, const std::string& b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

/// "; 'c0' and 'C0' are different names" for names that differ in nothing but their case.
std::string case_hint(const Names& lacking, const Names& extra) {
  std::string text;
  for (const std::string& name : lacking) {
    for (const std::string& other : extra) {
      if (!equal_but_for_case(name, other)) continue;
      text += text.empty() ? "; '" : ", '";
      text += name;
      text += "' and '";
      text += other;
      text += '\'';
    }
  }
  return text.empty() ? text : text + " differ in their case: they are different classes";
}

std::string counted(const Names& names) {
  return (names.size() == 1 ? "class " : std::to_string(names.size()) + " classes ") +
         quoted_list(names);
}

Names unique(const Names& names, const ClassMapOptions& options, Complaints& complaints) {
  Names out, twice;
  for (const std::string& name : names) {
    (place_of(name, out) < 0 ? out : twice).push_back(name);
  }
  if (!twice.empty()) {
    complaints.note(complaints.subject(options.where), "lists the ", counted(twice),
                    " more than once; taken as one");
  }
  return out;
}

}  // namespace

std::string class_name_of(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
    if (!blank) {
      name += c;
    } else if (!name.empty() && name.back() != ' ') {
      name += ' ';
    }
  }
  if (name.ends_with(' ')) name.pop_back();
  return name;
}

ClassMap map_classes(const Names& there_are, const Names& asked_for, const ClassMapOptions& options,
                     Complaints& complaints) {
  const auto clean = [](const Names& names) {
    Names out(names.size());
    std::ranges::transform(names, out.begin(), class_name_of);
    return out;
  };
  const Names present = clean(there_are);
  const Names distinct = unique(present, options, complaints);
  ClassMap map{.names = asked_for.empty() ? distinct : asked_for, .labels = {}, .places = {}};
  const Names wanted = clean(map.names);
  Names lacking, extra;
  for (const std::string& name : present) map.labels.push_back(place_of(name, wanted));
  for (const std::string& name : wanted) {
    map.places.push_back(place_of(name, present));
    if (map.places.back() < 0) lacking.push_back(name);
  }
  std::ranges::copy_if(distinct, std::back_inserter(extra),
                       [&](const std::string& name) { return place_of(name, wanted) < 0; });
  if (asked_for.empty()) return map;
  const std::string hint = case_hint(lacking, extra);
  if (lacking.size() == wanted.size() && lacking.size() > 1) {
    fail<DataError>(options.tag, " ", options.where, ": has none of the ", counted(wanted),
                    "; there are ", quoted_list(distinct), hint);
  }
  if (!lacking.empty() &&
      (lacking.size() == wanted.size() || (!options.test_mode && !options.may_lack))) {
    fail<DataError>(options.tag, " ", options.where, ": has ",
                    no_such_class(lacking.front(), distinct), hint);
  }
  if (!lacking.empty()) {
    complaints.note(complaints.subject(options.where), "has ",
                    lacking.size() == 1 ? no_such_class(lacking.front(), distinct)
                                        : "none of the " + counted(lacking) + "; there are " +
                                              quoted_list(distinct),
                    hint);
  }
  if (!extra.empty() && options.test_mode) {
    complaints.note(complaints.subject(options.where), "also has the ", counted(extra), ", which ",
                    extra.size() == 1 ? "is" : "are", " not among the ", wanted.size(),
                    " classes asked for; objects of ", extra.size() == 1 ? "it" : "them",
                    " are left out");
  }
  return map;
}

}  // namespace kestrel
