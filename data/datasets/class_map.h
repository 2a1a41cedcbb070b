#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <kestrel/data/datasets/complaints.h>

namespace kestrel {

/// A class's name as it is compared and saved: no blanks or line ends around it, and one blank for
/// several within.
std::string class_name_of(std::string_view text);

/// The classes of a file beside those that its data set is to have. Classes are the same if their
/// names are, wherever they stand.
struct ClassMap {
  std::vector<std::string> names;  ///< By label: as they were asked for, else as in the file.
  std::vector<int64_t> labels;     ///< Of each class of the file; -1: it was not asked for.
  std::vector<int64_t> places;     ///< In the file, of each label; -1: the file lacks it.
};

struct ClassMapOptions {
  std::string where;           ///< The file, for messages.
  bool test_mode = false;      ///< Evaluation: a file need not have every class, but one of them.
  bool may_lack = false;       ///< The same for training: names are those of objects, not a list.
  const char* tag = "[data]";  ///< Begins errors.
};

/// Tells of the names that one side alone has. Throws DataError where no class is shared, and for
/// training where one that was asked for is not listed.
ClassMap map_classes(const std::vector<std::string>& there_are,
                     const std::vector<std::string>& asked_for, const ClassMapOptions& options,
                     Complaints& complaints);

}  // namespace kestrel
