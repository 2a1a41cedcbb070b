#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kestrel {

/// The part of a data set. Where a tree has no list of a part, Val and Test stand in for each
/// other.
enum class Split { Train, Val, Test };
const char* to_string(Split split);

/// Lower-case words of a name, parted by what is neither letter nor digit, between letters and
/// digits, and before a capital after a small letter: instances_valTwo2017 has the words instances,
/// val, two and 2017.
std::vector<std::string> words_of_name(std::string_view name);

/// The last word of a name that is that of a part, such as val, valid or minival; empty where there
/// is none.
std::string part_word(std::string_view name);

/// Whether the words are of the same part: val, valid, validation and minival are.
bool is_same_part(std::string_view word, std::string_view other);

/// The files that are for a part by their names.
struct SplitFiles {
  std::string word;                             ///< Which names the part in them.
  std::vector<std::filesystem::path> files;     ///< The best first.
  std::vector<std::filesystem::path> also_for;  ///< Others of the same part: minival beside val.
};

/// Whole words decide, of several the last, words apart that all of the files share. A name that
/// has fewer other words comes first, then one that begins with instances. Empty where no file is
/// for the part or for one that stands in for it.
SplitFiles files_for(const std::vector<std::filesystem::path>& files, Split split);

/// Says which of several files was taken, if there are several.
void tell_choice(const SplitFiles& found, Split split);

}  // namespace kestrel
