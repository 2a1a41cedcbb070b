// KESTREL_KEEP_PICTURES=DIR test_engine --gtest_filter='Plots.*' leaves the pictures in DIR, to be
// looked at.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/data/datasets/shapes.h>
#include <kestrel/detection/evaluation/coco_evaluator.h>
#include <kestrel/detection/evaluation/confusion_matrix.h>
#include <kestrel/engine/plots/axis.h>
#include <kestrel/engine/plots/canvas.h>
#include <kestrel/engine/plots/confusion_plot.h>
#include <kestrel/engine/plots/label_statistics.h>
#include <kestrel/engine/plots/line_chart.h>
#include <kestrel/engine/plots/precision_recall.h>
#include <kestrel/engine/plots/training_curves.h>
#include <kestrel/engine/records/pictures.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void keep(const Image& image, const std::string& name) {
  if (const char* folder = std::getenv("KESTREL_KEEP_PICTURES")) {
    write_image(std::filesystem::path(folder) / (name + ".png"), image);
  }
}

bool is_colour(const Image& image, int64_t x, int64_t y, const Colour& colour) {
  const uint8_t* pixel = image.row(y) + 3 * x;
  const auto near = [](uint8_t value, double wanted) { return std::abs(value - 255 * wanted) < 2; };
  return near(pixel[0], colour.r) && near(pixel[1], colour.g) && near(pixel[2], colour.b);
}

int64_t count_colour(const Image& image, const Colour& colour) {
  int64_t count = 0;
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) count += is_colour(image, x, y, colour) ? 1 : 0;
  }
  return count;
}

TEST(Plots, TicksAreRound) {
  const PlotAxis share = exact_axis(0, 1, 10);
  ASSERT_EQ(share.ticks.size(), 11U);
  EXPECT_EQ(share.text(share.ticks[3]), "0.3");
  EXPECT_EQ(share.text(0), "0");
  const PlotAxis loss = widened_axis(0, 1.37, 5);
  EXPECT_EQ(loss.high, 1.5);
  EXPECT_EQ(loss.text(loss.ticks.back()), "1.5");
  EXPECT_EQ(widened_axis(0, 3, 8, true).ticks.size(), 4U) << "no half objects";
  const PlotAxis many = widened_axis(0, 36000, 8);
  EXPECT_EQ(many.text(many.ticks.back()), "40k");
  const PlotAxis rates = widened_axis(0, 3.2e-5, 4);
  EXPECT_EQ(rates.text(rates.ticks[1]), "1e-05");
  for (const auto& [low, high] : {std::pair{5.0, 5.0}, {kNaN, 1.0}, {0.0, double{INFINITY}}}) {
    const PlotAxis axis = exact_axis(low, high, 5);
    EXPECT_GT(axis.high, axis.low);
    EXPECT_LE(axis.ticks.size(), 7U);
  }
}

TEST(Plots, OneWildValueDoesNotStretchTheAxis) {
  std::vector<double> values(200, 0.5);
  values[3] = 1e6;
  values[4] = kNaN;
  values[5] = INFINITY;
  EXPECT_LE(value_axis(values, 5).high, 1);
  EXPECT_EQ(value_axis(values, 5).low, 0);
  EXPECT_EQ(value_axis(std::vector<double>{kNaN}, 5).high, 1);
  EXPECT_LT(value_axis(std::vector<double>{-2, 3}, 5).low, -1.9);
}

TEST(Plots, SmoothingKeepsGapsAndEnds) {
  const std::vector<double> values = {1, 2, kNaN, 4, 5};
  const std::vector<double> smooth = smoothed(values, 2);
  EXPECT_EQ(smooth[0], 1);
  EXPECT_EQ(smooth[1], 1.5);
  EXPECT_TRUE(std::isnan(smooth[2]));
  EXPECT_EQ(smooth[3], 4.5);
  EXPECT_EQ(smooth[4], 5);
}

TEST(Plots, NamesThatAreNotUtf8AreDrawn) {
  for (const char* name : {"caf\xc3\xa9", "\xff\xfe", "cut \xe2\x82", "\xc0\x80", "\xed\xa0\x80",
                           "\xf4\x90\x80\x80", ""}) {
    Canvas canvas(100, 40);
    canvas.text(5, 20, name);
    canvas.fill_rect({0, 30, 100, 10}, {1, 0, 0});
    const Image image = canvas.to_image();
    EXPECT_TRUE(is_colour(image, 50, 35, {1, 0, 0})) << "drawing stopped at " << name;
  }
  Canvas canvas(100, 40);
  const std::string cut =
      fitted_text(canvas, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 40, {});
  EXPECT_EQ(cut.size() % 2, 1U) << "a character was cut in two: " << cut;
}

TEST(Plots, AGapInAValueIsAGapInTheLine) {
  const Colour colour{1, 0, 1};
  const auto columns = [&](const std::vector<double>& y) {
    std::vector<double> x(y.size());
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i);
    Canvas canvas(600, 300);
    draw_line_chart(canvas, {0, 0, 600, 300},
                    {.title = "t", .series = {{.x = x, .y = y, .colour = colour, .width = 3}}});
    const Image image = canvas.to_image();
    int64_t drawn = 0;
    for (int64_t column = 0; column < image.width; ++column) {
      bool any = false;
      for (int64_t row = 0; row < image.height; ++row) any |= is_colour(image, column, row, colour);
      drawn += any ? 1 : 0;
    }
    return drawn;
  };
  std::vector<double> y(100, 0.5);
  const int64_t whole = columns(y);
  std::fill(y.begin() + 25, y.begin() + 75, kNaN);
  EXPECT_NEAR(static_cast<double>(columns(y)), 0.5 * static_cast<double>(whole), 20);
  std::fill(y.begin(), y.end(), kNaN);
  EXPECT_EQ(columns(y), 0);
  EXPECT_GT(columns({0.5}), 0) << "a point alone is a dot";
}

std::vector<HistoryRecord> history_of(int64_t epochs, int64_t per_epoch, bool with_gaps) {
  std::vector<HistoryRecord> history;
  Philox random(1);
  for (int64_t epoch = 1; epoch <= epochs; ++epoch) {
    for (int64_t i = 1; i <= per_epoch; ++i) {
      const int64_t iter = (epoch - 1) * per_epoch * 50 + i * 50;
      const double t = static_cast<double>(iter) / static_cast<double>(per_epoch * 50);
      const double base = 0.4 + 1.2 * std::exp(-t / (0.2 * static_cast<double>(epochs) + 0.3));
      const double cls = base * 0.6 * random.uniform(0.8, 1.2);
      const double bbox = base * 0.4 * random.uniform(0.8, 1.2);
      const bool gap = with_gaps && epoch > epochs / 3 && epoch <= epochs / 2;
      history.push_back(
          {.mode = "train",
           .epoch = epoch,
           .iter = iter,
           .iters_per_epoch = per_epoch * 50,
           .values = {{"lr", 0.005 * (1 + std::cos(3.14 * t / static_cast<double>(epochs)))},
                      {"loss_cls", gap ? kNaN : cls},
                      {"loss_bbox", bbox},
                      {"loss", gap ? kNaN : cls + bbox}}});
    }
    const double ap =
        0.4 * (1 - std::exp(-3.0 * static_cast<double>(epoch) / static_cast<double>(epochs)));
    history.push_back({.mode = "val",
                       .epoch = epoch,
                       .iter = epoch * per_epoch * 50,
                       .iters_per_epoch = per_epoch * 50,
                       .values = {{"ap", ap},
                                  {"ap50", 1.6 * ap},
                                  {"ap75", 1.02 * ap},
                                  {"ap_s", 0.5 * ap},
                                  {"ap_m", 1.1 * ap},
                                  {"ap_l", -1},
                                  {"ar100", 1.4 * ap}}});
  }
  return history;
}

TEST(Plots, TrainingCurves) {
  const std::pair<const char*, std::vector<HistoryRecord>> cases[] = {
      {"results_empty", {}},
      {"results_1_epoch", history_of(1, 1, false)},
      {"results_1_epoch_20_records", history_of(1, 20, false)},
      {"results_12_epochs", history_of(12, 20, false)},
      {"results_300_epochs_gaps", history_of(300, 147, true)}};
  for (const auto& [name, history] : cases) {
    const Image image = training_curves(history, "retinanet7");
    EXPECT_EQ(image.width, 1500);
    EXPECT_EQ(image.height, 880);
    if (!history.empty()) {
      EXPECT_GT(count_colour(image, line_colour(0)), 20) << name;
    }
    keep(image, name);
  }
}

EvalReport report_of(int64_t classes, int64_t images) {
  EvalTruths truths;
  std::vector<ImageDetections> found;
  Philox random(2);
  for (int64_t k = 0; k < classes; ++k) {
    truths.categories.push_back({k + 1, k == 0 ? "person" : "class " + std::to_string(k)});
  }
  int64_t id = 0;
  for (int64_t image = 1; image <= images; ++image) {
    truths.images.push_back({image, 480, 640});
    std::vector<float> boxes, scores;
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < 12; ++i) {
      const int64_t category = random.integer(1, classes + 1);
      const std::array<double, 4> box = {random.uniform(0, 500), random.uniform(0, 400),
                                         random.uniform(10, 100), random.uniform(10, 80)};
      truths.annotations.push_back({.id = ++id,
                                    .image_id = image,
                                    .category_id = category,
                                    .bbox = box,
                                    .area = {},
                                    .mask = {}});
      if (random.uniform() < 0.15) continue;
      const int64_t taken_for = random.uniform() < 0.1 ? random.integer(1, classes + 1) : category;
      labels.push_back(taken_for - 1);
      scores.push_back(static_cast<float>(random.uniform(0.1, 1)));
      const double x = box[0] + random.uniform(0, 9);
      for (const double v : {x, box[1], x + box[2], box[1] + box[3]}) {
        boxes.push_back(static_cast<float>(v));
      }
    }
    const auto count = std::ssize(labels);
    found.push_back({image,
                     {Tensor::from(boxes, {count, 4}), Tensor::from(scores, {count}),
                      Tensor::from(labels, {count})}});
  }
  keep(confusion_plot(confusion_matrix(truths, coco_detections(truths, found))),
       "confusion_" + std::to_string(classes) + "_classes");
  return CocoEvaluator({}, truths).evaluate(found);
}

TEST(Plots, PrecisionRecall) {
  for (const int64_t classes : {1, 3, 20, 80}) {
    const Image image = precision_recall_plot(report_of(classes, 60));
    EXPECT_EQ(image.width, 1000);
    // The one class, or the mean of several, in bold.
    EXPECT_GT(count_colour(image, classes == 1 ? line_colour(0) : kInk), 200);
    keep(image, "PR_" + std::to_string(classes) + "_classes");
  }
  keep(precision_recall_plot({}), "PR_nothing");
}

TEST(Plots, ConfusionCellsHaveTheColourOfTheirShare) {
  ConfusionMatrix matrix{.classes = {"cat", "dog"},
                         .counts = {3, 0, 1,  //
                                    0, 2, 0,  //
                                    1, 2, 0}};
  const Image image = confusion_plot(matrix);
  keep(image, "confusion_2_classes");
  // 3 of 4 cats; half of the dogs, twice; one cat and a lone background column.
  for (const double share : {0.75, 0.5, 0.25, 1.0}) {
    EXPECT_GT(count_colour(image, heat_colour(share)), 1000) << share;
  }
  matrix = {.classes = {}, .counts = {0}};
  EXPECT_GT(confusion_plot(matrix).width, 300);
}

/// A data set of boxes alone.
class Boxes final : public Dataset {
 public:
  Boxes(int64_t classes, int64_t images, int64_t per_image) : Dataset("boxes") {
    std::vector<std::string> names;
    for (int64_t k = 0; k < classes; ++k) names.push_back("class number " + std::to_string(k));
    if (classes > 0) names[0] = "a class with quite a long name indeed, far too long to show";
    set_classes(names);
    Philox random(4);
    for (int64_t i = 0; i < images; ++i) {
      std::vector<Annotation> annotations;
      for (int64_t n = 0; n < per_image; ++n) {
        const double size = std::exp(random.uniform(1.5, 6));
        const double width = std::min(600.0, size * random.uniform(0.6, 1.5));
        const double height = std::min(460.0, size);
        const auto label =
            std::min(classes - 1, static_cast<int64_t>(-10 * std::log(random.uniform())));
        annotations.push_back({.label = label,
                               .bbox = {random.uniform(0, 640 - width),
                                        random.uniform(0, 480 - height), width, height}});
      }
      add_image({.id = i, .width = 640, .height = 480}, std::move(annotations));
    }
  }
};

TEST(Plots, LabelStatistics) {
  for (const int64_t classes : {1, 3, 20, 80}) {
    const Image image = label_statistics(Boxes(classes, 400, 5), "Training set: boxes");
    EXPECT_EQ(image.height, 1000);
    EXPECT_GT(count_colour(image, line_colour(5)), 2000);
    keep(image, "labels_" + std::to_string(classes) + "_classes");
  }
  keep(label_statistics(Boxes(3, 0, 0), "Training set: nothing"), "labels_nothing");
  keep(label_statistics(Boxes(0, 2, 0), "Training set: no classes"), "labels_no_classes");
}

TEST(Plots, ContactSheet) {
  const ShapesDataset shapes({.num_images = 5});
  std::vector<Image> pictures;
  std::vector<std::string> titles;
  for (int64_t i = 0; i < 5; ++i) {
    std::vector<DrawnBox> boxes;
    for (const Annotation& a : shapes.annotations(i)) {
      boxes.push_back({.box = a.box(), .label = a.label, .caption = shapes.class_names()[a.label]});
    }
    pictures.push_back(draw_boxes(shapes.load(i), boxes));
    titles.push_back("a file with a name that does not fit above the picture " + std::to_string(i));
  }
  const Image sheet = contact_sheet(pictures, titles, 4, 300, 300);
  EXPECT_EQ(sheet.width, 4 * 306 + 6);
  EXPECT_EQ(sheet.height, 2 * 326 + 6);
  keep(sheet, "contact_sheet");
  EXPECT_NO_THROW(contact_sheet({}, {}, 4, 300, 300));
}

/// Pixels of the colour of a label.
int64_t pixels_of(const Image& image, int64_t label) {
  const Colour colour = box_colour(label);
  const auto near = [](uint8_t value, double want) { return std::abs(value - 255 * want) < 3; };
  int64_t count = 0;
  for (size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    const uint8_t* p = image.pixels.data() + i;
    count += near(p[0], colour.r) && near(p[1], colour.g) && near(p[2], colour.b);
  }
  return count;
}

TEST(Plots, TheFirstOfSeveralBoxesIsOnTop) {
  const Image ground = Canvas(1000, 800, kWhite).to_image();
  const Box box{100, 100, 900, 700};
  const Image one = draw_boxes(ground, std::vector<DrawnBox>{{box, 0}});
  const Image both = draw_boxes(ground, std::vector<DrawnBox>{{box, 0}, {box, 1}});
  EXPECT_GT(pixels_of(one, 0), 3000);
  EXPECT_EQ(pixels_of(both, 0), pixels_of(one, 0));
  EXPECT_EQ(pixels_of(both, 1), 0);
}

TEST(Plots, CaptionsOfBoxesInOnePlaceDoNotHideEachOther) {
  const Image ground = Canvas(200, 150, {0, 0, 0}).to_image();
  const auto dark = [](const Image& image) {  // what no caption covers
    return std::count(image.pixels.begin(), image.pixels.end(), 0);
  };
  const Box box{40, 40, 160, 120};
  std::vector<DrawnBox> boxes;
  for (const int64_t captions : {1, 2, 3, 4}) {
    boxes.push_back({box, 0, "a caption"});
    const int64_t before = dark(draw_boxes(ground, std::span(boxes).first(boxes.size() - 1)));
    EXPECT_LT(dark(draw_boxes(ground, boxes)), before - 500) << captions;
  }
  boxes.push_back({box, 0, "no room"});
  keep(draw_boxes(ground, boxes), "captions");
}

}  // namespace
}  // namespace kestrel
