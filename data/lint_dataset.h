#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <kestrel/data/check_dataset.h>

namespace kestrel {

/// Something about a data set that is probably not meant.
struct LintFinding {
  std::string kind;  ///< "pictures in two parts" and the like.
  int64_t count = 0;
  std::vector<std::string> examples;  ///< The first few.
  std::string advice;
};

struct LintOptions {
  int64_t image_size = 0;  ///< The shorter side that pictures will have in the network; 0: as is.
  bool read_files = true;  ///< Else nothing is said of equal and of turned pictures.
};

/// Looks at the parts of a data set together:
///
/// - pictures in two parts        files with the same bytes: what is learnt is what is tested
/// - pictures twice in a part
/// - doubled boxes                of one class in a picture, overlapping by 95 %
/// - tiny boxes                   more than a third of all are under 8 pixels at image_size
/// - classes of one spelling      but for case, blanks, hyphens and underscores
/// - classes in training alone    of which nothing is evaluated
/// - pictures that nobody names   in the folders of the others
/// - turned pictures              JPEGs with an EXIF orientation: pixels are turned when read, and
///                                boxes must have been drawn on the turned picture
std::vector<LintFinding> lint_parts(std::span<const OpenPart> parts,
                                    const LintOptions& options = {});

/// A line for each finding, its examples below it; empty without any.
std::string lint_text(std::span<const LintFinding> findings);

}  // namespace kestrel
