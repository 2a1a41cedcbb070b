#include <iostream>

#include <kestrel/kestrel.h>

int main() {
  try {
    const auto scores = kestrel::Tensor::from({0.25f, 0.5f, 0.75f}, {3});
    for (float score : scores.values<float>()) std::cout << score << '\n';
  } catch (const kestrel::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
