#include "torch_reference.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include <kestrel/inference/key_map.h>
#include <kestrel/kernels/error.h>

namespace kestrel::torch_reference {
namespace {

struct ImageSize {
  int64_t height, width;
};

/// Writes one image of a batch: noise, and a rectangle of one colour per object.
void draw_image(int64_t k, ImageSize size, const nlohmann::json& boxes, ImageSize padded,
                float* pixels) {
  const Unit noise("image" + std::to_string(k));
  const Unit color("color" + std::to_string(k));
  for (int64_t y = 0; y < size.height; ++y) {
    for (int64_t x = 0; x < size.width; ++x) {
      int64_t object = -1;
      for (size_t i = 0; i < boxes.size(); ++i) {
        if (x >= boxes[i][0] && x < boxes[i][2] && y >= boxes[i][1] && y < boxes[i][3]) {
          object = static_cast<int64_t>(i);
        }
      }
      for (int64_t c = 0; c < 3; ++c) {
        double value = 0.5 * noise((c * size.height + y) * size.width + x);
        if (object >= 0) value += 2 * color(3 * object + c);
        pixels[(y * padded.width + x) * 3 + c] = static_cast<float>(value);
      }
    }
  }
}

}  // namespace

Unit::Unit(std::string_view name) : seed_(0xCBF29CE484222325) {
  for (const char c : name) seed_ = (seed_ ^ static_cast<unsigned char>(c)) * 0x100000001B3;
}

double Unit::operator()(int64_t index) const {
  uint64_t z = seed_ + static_cast<uint64_t>(index + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  z ^= z >> 31;
  return 2 * (static_cast<double>(z >> 40) / (1 << 24)) - 1;
}

nlohmann::json load_case(const std::string& name) {
  const auto path =
      std::filesystem::path(KESTREL_TEST_DIR) / "golden/data" / ("retinanet_" + name + ".json");
  std::ifstream file(path);
  KESTREL_CHECK(file, "[torch_reference] cannot open ", path);
  return nlohmann::json::parse(file);
}

StateDict make_weights(const nlohmann::json& reference) {
  StateDict weights;
  for (const auto& [name, rule] : reference.at("weights").items()) {
    const Unit unit(name);
    const double center = rule.at(0), spread = rule.at(1);
    std::vector<int64_t> sizes = rule.at(2);
    const bool is_convolution = sizes.size() == 4;
    if (is_convolution) std::rotate(sizes.begin() + 1, sizes.begin() + 2, sizes.end());
    Tensor tensor = Tensor::empty(Shape(sizes));
    float* values = tensor.data<float>();
    const int64_t channels = is_convolution ? sizes[3] : 1;
    const int64_t area = is_convolution ? sizes[1] * sizes[2] : 1;
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      const int64_t c = i % channels, place = i / channels;
      const int64_t torch_index = (place / area * channels + c) * area + place % area;
      values[i] = static_cast<float>(center + spread * unit(torch_index));
    }
    weights.emplace_back(kestrel_name(name), tensor);
  }
  return weights;
}

Batch make_batch(const nlohmann::json& reference) {
  const auto& sizes = reference.at("image_sizes");
  const ImageSize padded{reference.at("padded_size")[0], reference.at("padded_size")[1]};
  Batch batch;
  batch.images =
      Tensor::zeros({static_cast<int64_t>(sizes.size()), padded.height, padded.width, 3});
  for (size_t k = 0; k < sizes.size(); ++k) {
    const ImageSize size{sizes[k][0], sizes[k][1]};
    const auto& target = reference.at("targets")[k];
    Tensor image = batch.images[static_cast<int64_t>(k)];
    draw_image(static_cast<int64_t>(k), size, target.at("boxes"), padded, image.data<float>());
    ImageMeta meta;
    meta.file = "image" + std::to_string(k);
    meta.ori_height = meta.img_height = size.height;
    meta.ori_width = meta.img_width = size.width;
    meta.pad_height = padded.height;
    meta.pad_width = padded.width;
    batch.metas.push_back(meta);
    std::vector<float> boxes;
    for (const auto& box : target.at("boxes")) boxes.insert(boxes.end(), box.begin(), box.end());
    const std::vector<int64_t> labels = target.at("labels");
    const auto count = static_cast<int64_t>(labels.size());
    batch.truths.push_back({Tensor::from(boxes, {count, 4}), Tensor::from(labels, {count})});
  }
  return batch;
}

std::vector<double> torch_order(const Tensor& tensor) {
  const Tensor floats = tensor.to(Device::cpu()).to(DType::Float32);
  const auto values = floats.values<float>();
  std::vector<double> result(values.size());
  const int64_t channels = tensor.dims() == 4 ? tensor.size(3) : 1;
  const int64_t area = tensor.dims() == 4 ? tensor.size(1) * tensor.size(2) : 1;
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    const int64_t c = i % channels, place = i / channels;
    result[static_cast<size_t>((place / area * channels + c) * area + place % area)] =
        values[static_cast<size_t>(i)];
  }
  return result;
}

double digest_error(const std::vector<double>& values, const nlohmann::json& digest) {
  const bool is_short = digest.is_array();
  const double norm = is_short ? digest.at(0) : digest.at("norm");
  double squares = 0;
  for (const double value : values) squares += value * value;
  double error = std::abs(std::sqrt(squares) - norm);
  for (int j = 0; j < 2; ++j) {
    const Unit unit("projection" + std::to_string(j));
    double projection = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      projection += values[i] * unit(static_cast<int64_t>(i));
    }
    const double expected =
        is_short ? digest.at(static_cast<size_t>(j + 1)) : digest.at("projections").at(j);
    error = std::max(error, std::abs(projection - expected));
  }
  if (!is_short) {
    const double scale = std::sqrt(static_cast<double>(std::max<size_t>(values.size(), 1)));
    for (const auto& sample : digest.at("samples")) {
      const double difference = values.at(sample.at(0).get<size_t>()) - sample.at(1).get<double>();
      error = std::max(error, std::abs(difference) * scale);
    }
  }
  return norm > 0 ? error / norm : error;
}

double digest_error(const Tensor& tensor, const nlohmann::json& digest) {
  return digest_error(torch_order(tensor), digest);
}

}  // namespace kestrel::torch_reference
