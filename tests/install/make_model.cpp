// Writes what the embedding example is tried with: a small RetinaNet with random weights, and a
// picture. make_model <config> <model file> <picture>
#include <cstdio>
#include <exception>

#include <kestrel/data/image.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/inference/weights.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/random.h>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    kestrel::Config config = kestrel::Config::load(argv[1]);
    // Small, and every guess is good enough to be printed.
    config.apply_override("model.neck.out_channels=32");
    config.apply_override("model.bbox_head.in_channels=32");
    config.apply_override("model.bbox_head.feat_channels=32");
    config.apply_override("model.bbox_head.num_classes=2");
    config.apply_override("model.test_cfg.score_thr=0.0");
    config.apply_override("model.test_cfg.max_per_img=5");
    auto model = kestrel::build<kestrel::BaseDetector>(config.at("model"));
    kestrel::Philox random(1);
    model->init_weights(random);
    kestrel::write_model_file(
        argv[2],
        {.weights = model->state_dict(), .config = config, .classes = {"circle", "square"}});

    kestrel::Image image(96, 128);
    for (int64_t y = 0; y < image.height; ++y)
      for (int64_t x = 0; x < image.width * 3; ++x) image.row(y)[x] = static_cast<uint8_t>(x ^ y);
    kestrel::write_image(argv[3], image);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_model: %s\n", error.what());
    return 1;
  }
}
