#include <cstdlib>
#include <iostream>

#include <kestrel/kestrel.h>

// embed WEIGHTS IMAGE [SCORE]: prints the objects in an image.
int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: embed WEIGHTS IMAGE [SCORE]\n";
    return 2;
  }
  const float threshold = argc > 3 ? std::strtof(argv[3], nullptr) : 0.5F;
  try {
    auto detector = kestrel::Detector::load(argv[1], kestrel::Device::best());
    for (const auto& object :
         detector.detect(kestrel::read_image(argv[2]), {.score_threshold = threshold})) {
      std::cout << object.label << ' ' << object.score << ' ' << object.box << '\n';
    }
  } catch (const kestrel::Error& error) {
    std::cerr << "embed: " << error.what() << '\n';
    return 1;
  }
}
