#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/split_files.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

// What names a part, the best first, and then what stands in for it.
const Words& words_for(Split split) {
  static const std::array<Words, 3> kWords = {
      Words{"train", "training", "trainval"},
      Words{"val", "valid", "validation", "minival", "test", "testing"},
      Words{"test", "testing", "val", "valid", "validation", "minival"}};
  return kWords[static_cast<size_t>(split)];
}

// Words that belong together.
int kind_of(std::string_view word) {
  static const std::map<std::string_view, int> kKinds = {
      {"train", 1},      {"training", 1}, {"trainval", 2}, {"val", 3},    {"valid", 3},
      {"validation", 3}, {"minival", 3},  {"test", 4},     {"testing", 4}};
  const auto found = kKinds.find(word);
  return found == kKinds.end() ? 0 : found->second;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_capital(char c) {
  return c >= 'A' && c <= 'Z';
}
// Bytes of other alphabets are letters.
bool is_letter(char c) {
  return is_capital(c) || (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80;
}

/// Takes one of each of the words out; those that are not there are passed over.
Words without(Words words, const Words& those) {
  for (const std::string& word : those) {
    const auto at = std::ranges::find(words, word);
    if (at != words.end()) words.erase(at);
  }
  return words;
}

/// The words that every list has, as often as every list has them.
Words shared_words(const std::vector<Words>& lists) {
  Words shared = lists.front();
  for (const Words& list : lists) shared = without(shared, without(shared, list));
  return shared;
}

/// The last word that is that of a part; its place, or that behind the end.
size_t last_part(const Words& words) {
  for (size_t i = words.size(); i-- > 0;) {
    if (kind_of(words[i]) != 0) return i;
  }
  return words.size();
}

/// Every file's words; of those that all have, the names say nothing: in test_train and test_val of
/// a project named test. Not where some then name no part.
std::vector<Words> telling_words(const std::vector<fs::path>& files) {
  std::vector<Words> lists(files.size());
  std::ranges::transform(files, lists.begin(),
                         [](const fs::path& file) { return words_of_name(file.stem().string()); });
  if (files.size() < 2) return lists;
  const Words shared = shared_words(lists);
  std::vector<Words> rest(lists.size());
  std::ranges::transform(lists, rest.begin(),
                         [&](const Words& words) { return without(words, shared); });
  const auto names_part = [](const Words& words) { return last_part(words) < words.size(); };
  return std::ranges::all_of(rest, names_part) ? rest : lists;
}

}  // namespace

const char* to_string(Split split) {
  constexpr std::array kNames = {"train", "val", "test"};
  return kNames[static_cast<size_t>(split)];
}

std::vector<std::string> words_of_name(std::string_view name) {
  Words words;
  char before = ' ';
  for (const char c : name) {
    const bool inside = is_letter(c) || is_digit(c);
    const bool goes_on =
        inside && ((is_digit(c) && is_digit(before)) ||
                   (is_letter(c) && is_letter(before) && !(is_capital(c) && !is_capital(before))));
    if (inside && !goes_on) words.emplace_back();
    if (inside) words.back() += is_capital(c) ? static_cast<char>(c - 'A' + 'a') : c;
    before = c;
  }
  return words;
}

std::string part_word(std::string_view name) {
  const Words words = words_of_name(name);
  const size_t at = last_part(words);
  return at < words.size() ? words[at] : "";
}

bool is_same_part(std::string_view word, std::string_view other) {
  return kind_of(word) != 0 && kind_of(word) == kind_of(other);
}

SplitFiles files_for(const std::vector<fs::path>& files, Split split) {
  const std::vector<Words> lists = telling_words(files);
  struct Candidate {
    std::string word;
    size_t others = 0;  // words beside it
    bool plain = false;
    fs::path file;
  };
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < files.size(); ++i) {
    const Words& words = lists[i];
    const size_t at = last_part(words);
    if (at == words.size()) continue;
    Candidate found{.word = words[at], .file = files[i]};
    for (size_t k = 0; k < words.size(); ++k) {
      found.others += k != at && words[k] != "instances" && !is_digit(words[k].front());
    }
    found.plain = words_of_name(files[i].stem().string()).front() != "instances";
    candidates.push_back(std::move(found));
  }
  std::ranges::sort(candidates, {},
                    [](const Candidate& c) { return std::tuple(c.others, c.plain, c.file); });
  SplitFiles out;
  for (const std::string& word : words_for(split)) {
    for (const Candidate& c : candidates) {
      if (c.word == word) out.files.push_back(c.file);
    }
    if (out.files.empty()) continue;
    out.word = word;
    for (const Candidate& c : candidates) {
      if (c.word != word && is_same_part(c.word, word)) out.also_for.push_back(c.file);
    }
    break;
  }
  return out;
}

void tell_choice(const SplitFiles& found, Split split) {
  Words names;
  for (const auto* list : {&found.files, &found.also_for}) {
    for (const fs::path& file : *list) names.push_back(file.filename().string());
  }
  if (names.size() < 2) return;
  Complaints("[data] " + found.files.front().parent_path().string(), false)
      .note("for the ", to_string(split), " part there are ", quoted_list(names),
            "; taken: ", names.front());
}

}  // namespace kestrel
