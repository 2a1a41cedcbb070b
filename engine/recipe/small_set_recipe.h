#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <kestrel/engine/recipe/data_survey.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// Sets of so many pictures or fewer are trained by the recipe for small sets.
inline constexpr int64_t kSmallSet = 2000;

/// A value that a recipe chose, for people: "image size", "320", "Platelets are ...".
struct RecipeChoice {
  std::string what, value, why;
};

/// What is decided already.
struct RecipeWishes {
  std::optional<int64_t> image_size;  ///< Of the shorter side, in pixels.
  std::optional<int64_t> epochs;
  std::optional<int64_t> batch;
  std::optional<double> lr;
  bool pretrained = false;  ///< The backbone starts from weights.
};

struct Recipe {
  std::vector<std::string> overrides;  ///< a.b.c=value, of the config for small sets.
  std::vector<RecipeChoice> choices;
};

/// What the config for small sets (configs/retinanet/retinanet_r18_fpn_small.yaml) needs for a
/// training set:
///
/// - the shorter side of the pictures, a multiple of 32 from 256 to 800, such that the median of
///   the smallest class is 20 pixels; not beyond that of the files, rounded up;
/// - octave_base_scale of the anchors, of those from 1 to 8 the one with which most objects have an
///   anchor of their shape that overlaps them by half, the larger of equal ones;
/// - epochs, such that 8,000 pictures are seen, 20 times each at least and 100 times at most;
/// - a learning rate that goes with the root of the batch, a warm-up of a twentieth of the run, an
///   evaluation every tenth.
Recipe small_set_recipe(const DataSurvey& survey, const RecipeWishes& wishes);

/// The share of objects that an anchor of RetinaNet's shapes (strides 8 to 128, three scales an
/// octave, ratios 0.5, 1 and 2) overlaps by half where it lies best, in pictures whose shorter side
/// has so many pixels.
double matched_share(const DataSurvey& survey, double short_side, double octave_base_scale);

/// Warm-up and steps of a schedule that was made for other numbers of epochs or iterations: steps
/// keep their shares of the run, and warm-up takes a tenth of it at most. Returns what it changed,
/// for people.
std::vector<std::string> fit_schedule(Config& config, int64_t epochs_before, int64_t iterations);

}  // namespace kestrel
