#include <kestrel/engine/recipe/small_set_recipe.h>

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace kestrel {
namespace {

constexpr double kSmallestObject = 20;  // pixels
constexpr int64_t kLeastSide = 256, kMostSide = 800;
constexpr int64_t kPicturesSeen = 8000, kLeastEpochs = 20, kMostEpochs = 100;
constexpr int64_t kBatch = 4;
constexpr double kLr = 1e-3;  // of AdamW, for a batch of kBatch
constexpr std::array<double, 6> kBaseScales = {1, 2, 3, 4, 6, 8};

int64_t multiple_of_32(double value) {
  return static_cast<int64_t>(std::ceil(value / 32 - 1e-6)) * 32;
}

RecipeChoice choose_side(const DataSurvey& survey, const RecipeWishes& wishes, int64_t& side) {
  const double own = std::min(survey.image_width, survey.image_height);
  const double smallest = survey.smallest_class();
  if (wishes.image_size) {
    side = *wishes.image_size;
    return {"image size", std::to_string(side), "as asked"};
  }
  const double wanted = smallest > 0 ? kSmallestObject / smallest : kLeastSide;
  const int64_t most = std::clamp(multiple_of_32(own), kLeastSide, kMostSide);
  side = std::clamp(multiple_of_32(wanted), kLeastSide, most);
  const double pixels = smallest * static_cast<double>(side);
  std::string why = fmt::format(
      "the shorter side in pixels; objects of the smallest class are {:.0f} pixels wide then, and "
      "{:.0f} in the files of {:.0f} x {:.0f}",
      pixels, smallest * own, survey.image_width, survey.image_height);
  if (pixels < kSmallestObject / 2) why += "; that is small: a larger --image-size finds more";
  return {"image size", std::to_string(side), std::move(why)};
}

RecipeChoice choose_anchors(const DataSurvey& survey, int64_t side, double& scale) {
  double best = -1;
  for (const double candidate : kBaseScales) {
    const double share = matched_share(survey, static_cast<double>(side), candidate);
    if (share >= best) {
      best = share;
      scale = candidate;
    }
  }
  return {"anchors", fmt::format("from {} pixels", 8 * scale),
          fmt::format("{:.1f} % of the objects have one that overlaps them by half "
                      "(octave_base_scale {})",
                      100 * best, scale)};
}

RecipeChoice choose_epochs(const DataSurvey& survey, const RecipeWishes& wishes, int64_t& epochs) {
  if (wishes.epochs) {
    epochs = *wishes.epochs;
    return {"epochs", std::to_string(epochs), "as asked"};
  }
  const int64_t images = std::max<int64_t>(survey.images, 1);
  epochs = std::clamp((kPicturesSeen + images - 1) / images, kLeastEpochs, kMostEpochs);
  return {"epochs", std::to_string(epochs),
          fmt::format("{} pictures are seen {} times each", survey.images, epochs)};
}

/// One value of lr_config's `step`, or all of them, as shares of another run.
Config scaled_steps(const Config& step, double factor, int64_t epochs) {
  const auto scaled = [&](const Config& value) {
    const auto at = static_cast<int64_t>(std::lround(static_cast<double>(value.as_int()) * factor));
    return std::clamp<int64_t>(at, 1, std::max<int64_t>(1, epochs - 1));
  };
  if (!step.is_list()) return Config(scaled(step));
  Config result = Config::list();
  int64_t before = 0;
  for (const Config& value : step.items()) {
    const int64_t at = std::max(scaled(value), before);
    if (at > before) result.push_back(at);
    before = at;
  }
  return result;
}

}  // namespace

double matched_share(const DataSurvey& survey, double short_side, double octave_base_scale) {
  std::vector<ObjectSize> anchors;
  for (int octave = 0; octave < 15; ++octave) {
    const double side = 8 * octave_base_scale * std::pow(2, octave / 3.0) / short_side;
    for (const double ratio : {0.5, 1.0, 2.0}) {
      anchors.push_back({side / std::sqrt(ratio), side * std::sqrt(ratio)});
    }
  }
  int64_t matched = 0;
  for (const auto& of_class : survey.sizes) {
    matched += std::ranges::count_if(of_class, [&](const ObjectSize& size) {
      return std::ranges::any_of(
          anchors, [&](const ObjectSize& anchor) { return size_overlap(size, anchor) >= 0.5; });
    });
  }
  return static_cast<double>(matched) / static_cast<double>(std::max<int64_t>(1, survey.objects()));
}

Recipe small_set_recipe(const DataSurvey& survey, const RecipeWishes& wishes) {
  Recipe recipe;
  int64_t side = 0, epochs = 0;
  double scale = 0;
  recipe.choices.push_back(choose_side(survey, wishes, side));
  recipe.choices.push_back(choose_anchors(survey, side, scale));
  recipe.choices.push_back(choose_epochs(survey, wishes, epochs));
  const int64_t batch = wishes.batch.value_or(kBatch);
  const double lr =
      wishes.lr.value_or(kLr * std::sqrt(static_cast<double>(batch) / double{kBatch}));
  recipe.choices.push_back(
      {"learning rate", fmt::format("{:.3g}", lr),
       wishes.lr ? "as asked"
                 : fmt::format("AdamW's, for batches of {}, falling by a cosine", batch)});
  recipe.choices.push_back({"pictures change", "flip, colours, crops, sizes",
                            "a small set has to be seen in many ways"});
  recipe.choices.push_back(
      {"backbone", wishes.pretrained ? "pretrained" : "from scratch",
       wishes.pretrained ? "its weights were found"
                         : "no weights were found: kestrel doctor says where they are looked for"});
  const int64_t iterations = (survey.images + batch - 1) / batch * epochs;
  const auto add = [&](const char* key, const auto& value) {
    recipe.overrides.push_back(fmt::format("{}={}", key, value));
  };
  const auto longer = static_cast<int64_t>(static_cast<double>(side) * 5 / 3);
  const std::string range = fmt::format("[[{}, {}], [{}, {}]]", longer * 4 / 5, side * 4 / 5,
                                        longer * 6 / 5, side * 6 / 5);
  add("data.train.pipeline.2.img_scale", range);
  for (const char* part : {"val", "test"}) {
    recipe.overrides.push_back(
        fmt::format("data.{}.pipeline.1.img_scale=[{}, {}]", part, longer, side));
  }
  add("model.bbox_head.anchor_generator.octave_base_scale", scale);
  add("runner.max_epochs", epochs);
  add("data.samples_per_gpu", batch);
  add("optimizer.lr", lr);
  add("lr_config.warmup_iters", std::clamp<int64_t>(iterations / 20, 1, 500));
  add("evaluation.interval", std::max<int64_t>(1, epochs / 10));
  return recipe;
}

std::vector<std::string> fit_schedule(Config& config, int64_t epochs_before, int64_t iterations) {
  std::vector<std::string> changes;
  Config lr = config.at("lr_config");
  const int64_t epochs = config.at("runner").at("max_epochs").as_int();
  const Config* by_epoch = lr.find("by_epoch");
  const Config* step = lr.find("step");
  if (step && epochs != epochs_before && (by_epoch == nullptr || by_epoch->as_bool())) {
    const Config fitted = scaled_steps(
        *step, static_cast<double>(epochs) / static_cast<double>(epochs_before), epochs);
    changes.push_back(
        fmt::format("the learning rate falls after epochs {}: the same shares of {} "
                    "epochs as {} of {}",
                    fitted.to_json(), epochs, step->to_json(), epochs_before));
    lr.set("step", fitted);
  }
  const Config* warmup = lr.find("warmup_iters");
  const int64_t most = std::max<int64_t>(1, iterations / 10);
  if (warmup && warmup->as_int() > most) {
    changes.push_back(fmt::format("warm-up of {} iterations: a tenth of the run's {}, not {}", most,
                                  iterations, warmup->as_int()));
    lr.set("warmup_iters", most);
  }
  config.set("lr_config", lr);
  return changes;
}

}  // namespace kestrel
