#include <kestrel/layers/norm.h>

#include <array>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/batch_norm.h>
#include <kestrel/autograd/functions/group_norm.h>
#include <kestrel/autograd/functions/shape_ops.h>
#include <kestrel/layers/forward_observer.h>
#include <kestrel/layers/init.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

constexpr std::array<std::string_view, 9> kOwnTypes{"BN", "BN1d", "BN2d", "SyncBN", "GN",
                                                    "LN", "IN",   "IN1d", "IN2d"};

bool is_own(std::string_view type) {
  return std::find(kOwnTypes.begin(), kOwnTypes.end(), type) != kOwnTypes.end();
}

/// Enters a norm into the registry under several names.
template <class Layer>
struct NormRegistration {
  NormRegistration(const char* summary, std::initializer_list<const char*> types) {
    for (const char* type : types) {
      Registry<Norm, int64_t>::instance().add(
          type,
          [](const Config& node, int64_t channels) {
            return std::unique_ptr<Norm>(
                std::make_unique<Layer>(channels, read_options<NormOptions>(node)));
          },
          summary, describe_options<NormOptions>);
    }
  }
};

const NormRegistration<BatchNorm2d> kBatchNorm{"batch normalisation",
                                               {"BN", "BN1d", "BN2d", "SyncBN"}};
const NormRegistration<GroupNorm> kGroupNorm{"group normalisation", {"GN"}};
const NormRegistration<LayerNorm> kLayerNorm{"layer normalisation", {"LN"}};
const NormRegistration<InstanceNorm2d> kInstanceNorm{"instance normalisation",
                                                     {"IN", "IN1d", "IN2d"}};

Tensor scale_of(int64_t channels, double value) {
  return Tensor::full({channels}, value);
}

/// relu?(group_norm(x) + residual).
Variable normalised(const Variable& x, const Variable& weight, const Variable& bias, int64_t groups,
                    double eps, bool relu, const Variable& residual) {
  if (!residual) return autograd::group_norm(x, weight, bias, groups, eps, relu);
  const Variable sum = autograd::add(autograd::group_norm(x, weight, bias, groups, eps), residual);
  return relu ? autograd::relu(sum) : sum;
}

}  // namespace

void NormOptions::read(const Config& node) {
  const Config* named = node.find("type");
  if (named && named->is_string() && !is_own(named->as_string())) {
    type = named->as_string();
    own = node;
  } else {
    *this = read_options<NormOptions>(node, std::move(*this));
  }
}

Config NormOptions::write() const {
  return own.is_map() ? own : write_options(*this);
}

void Norm::init_weights(Philox&) {
  for (auto& [name, parameter] : named_parameters()) {
    init::constant(parameter, name == "weight" ? 1 : 0);
  }
}

BatchNorm2d::BatchNorm2d(int64_t channels, const NormOptions& options)
    : weight(add_parameter("weight", scale_of(channels, 1), options.requires_grad)),
      bias(add_parameter("bias", scale_of(channels, 0), options.requires_grad)),
      running_mean(add_buffer("running_mean", scale_of(channels, 0))),
      running_var(add_buffer("running_var", scale_of(channels, 1))),
      options_(options) {}

Variable BatchNorm2d::forward(const Variable& x, bool relu, const Variable& residual) {
  return observed(*this, x, [&] {
    return autograd::batch_norm(x, weight, bias, running_mean, running_var,
                                {.training = !uses_running_stats(),
                                 .momentum = options_.momentum,
                                 .eps = options_.eps,
                                 .relu = relu},
                                residual);
  });
}

GroupNorm::GroupNorm(int64_t channels, const NormOptions& options)
    : weight(add_parameter("weight", scale_of(channels, 1), options.requires_grad)),
      bias(add_parameter("bias", scale_of(channels, 0), options.requires_grad)),
      options_(options) {
  KESTREL_CHECK(options.num_groups > 0 && channels % options.num_groups == 0, "[group_norm] ",
                channels, " channels do not divide into ", options.num_groups, " groups");
}

Variable GroupNorm::forward(const Variable& x, bool relu, const Variable& residual) {
  return observed(*this, x, [&] {
    return normalised(x, weight, bias, options_.num_groups, options_.eps, relu, residual);
  });
}

LayerNorm::LayerNorm(int64_t channels, const NormOptions& options)
    : weight(add_parameter("weight", scale_of(channels, 1), options.requires_grad)),
      bias(add_parameter("bias", scale_of(channels, 0), options.requires_grad)),
      options_(options) {}

Variable LayerNorm::forward(const Variable& x, bool relu, const Variable& residual) {
  return observed(*this, x, [&] {
    const int64_t channels = weight.numel();
    const auto rows = [&](const Variable& v) {
      return v ? autograd::reshape(v, {v.numel() / channels, channels}) : v;
    };
    return autograd::reshape(
        normalised(rows(x), weight, bias, 1, options_.eps, relu, rows(residual)), x.shape());
  });
}

InstanceNorm2d::InstanceNorm2d(int64_t channels, const NormOptions& options)
    : weight(add_parameter("weight", options.affine ? scale_of(channels, 1) : Tensor(),
                           options.requires_grad)),
      bias(add_parameter("bias", options.affine ? scale_of(channels, 0) : Tensor(),
                         options.requires_grad)),
      options_(options) {}

Variable InstanceNorm2d::forward(const Variable& x, bool relu, const Variable& residual) {
  return observed(*this, x, [&] {
    return normalised(x, weight, bias, x.size(-1), options_.eps, relu, residual);
  });
}

std::unique_ptr<Norm> make_norm(int64_t channels, const NormOptions& options) {
  return build<Norm, int64_t>(options.write(), channels);
}

}  // namespace kestrel
