#include <kestrel/layers/activation.h>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/shape_ops.h>
#include <kestrel/layers/init.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

struct PlainOptions {
  template <class V>
  void visit(V&) {}
};

struct InplaceOptions {
  bool inplace = false;

  template <class V>
  void visit(V& v) {
    v("inplace", inplace, "without effect");
  }
};

/// A function without settings.
template <Variable (*f)(const Variable&), class Options = PlainOptions>
class PlainActivation : public Activation {
 public:
  explicit PlainActivation(const Options&) {}
  Variable forward(const Variable& x) override { return f(x); }
};

class Relu : public PlainActivation<autograd::relu, InplaceOptions> {
 public:
  using PlainActivation::PlainActivation;
  bool is_relu() const override { return true; }
};

struct LeakyReluOptions {
  double negative_slope = 0.01;
  bool inplace = false;

  template <class V>
  void visit(V& v) {
    v("negative_slope", negative_slope, "factor below 0");
    v("inplace", inplace, "without effect");
  }
};

class LeakyRelu : public Activation {
 public:
  explicit LeakyRelu(const LeakyReluOptions& options) : options_(options) {}
  Variable forward(const Variable& x) override {
    return autograd::leaky_relu(x, options_.negative_slope);
  }

 private:
  LeakyReluOptions options_;
};

struct EluOptions {
  double alpha = 1;
  bool inplace = false;

  template <class V>
  void visit(V& v) {
    v("alpha", alpha, "the limit towards minus infinity is minus this");
    v("inplace", inplace, "without effect");
  }
};

class Elu : public Activation {
 public:
  explicit Elu(const EluOptions& options) : options_(options) {}
  Variable forward(const Variable& x) override { return autograd::elu(x, options_.alpha); }

 private:
  EluOptions options_;
};

struct PReluOptions {
  int64_t num_parameters = 1;
  double init = 0.25;

  template <class V>
  void visit(V& v) {
    v("num_parameters", num_parameters, "one slope for all channels, or one for each");
    v("init", init, "what the slopes start from");
  }
};

class PRelu : public Activation {
 public:
  explicit PRelu(const PReluOptions& options)
      : options_(options),
        weight_(add_parameter("weight", Tensor::full({options.num_parameters}, options.init))) {}
  Variable forward(const Variable& x) override {
    const Variable slope = autograd::cast(weight_, x.dtype());
    return autograd::relu(x) - slope * autograd::relu(-x);
  }
  void init_weights(Philox&) override { init::constant(weight_, options_.init); }

 private:
  PReluOptions options_;
  Variable& weight_;
};

struct HsigmoidOptions {
  double bias = 3, divisor = 6, min_value = 0, max_value = 1;

  template <class V>
  void visit(V& v) {
    v("bias", bias, "added to x");
    v("divisor", divisor, "then divided by");
    v("min_value", min_value, "not below");
    v("max_value", max_value, "not above");
  }
};

class Hsigmoid : public Activation {
 public:
  explicit Hsigmoid(const HsigmoidOptions& options) : o_(options) {
    if (o_.divisor == 0) fail<UsageError>("[hsigmoid] divisor must not be 0");
  }
  Variable forward(const Variable& x) override {
    return autograd::hsigmoid(x, o_.bias, o_.divisor, o_.min_value, o_.max_value);
  }

 private:
  HsigmoidOptions o_;
};

struct ClampOptions {
  double min = -1, max = 1;

  template <class V>
  void visit(V& v) {
    v("min", min, "not below");
    v("max", max, "not above");
  }
};

class Clamp : public Activation {
 public:
  explicit Clamp(const ClampOptions& options) : options_(options) {}
  Variable forward(const Variable& x) override {
    return autograd::clamp(x, options_.min, options_.max);
  }

 private:
  ClampOptions options_;
};

template <Variable (*f)(const Variable&), class Options>
using Plain = Registration<Activation, PlainActivation<f, Options>, Options>;

const Registration<Activation, Relu, InplaceOptions> kRelu{"ReLU", "max(x, 0)"};
const Registration<Activation, LeakyRelu, LeakyReluOptions> kLeakyRelu{
    "LeakyReLU", "x, or a part of it below 0"};
const Registration<Activation, Elu, EluOptions> kElu{"ELU", "x, or an exponential below 0"};
const Registration<Activation, PRelu, PReluOptions> kPRelu{"PReLU",
                                                           "LeakyReLU whose slopes are trained"};
const Registration<Activation, Hsigmoid, HsigmoidOptions> kHsigmoid{
    "HSigmoid", "the sigmoid made of straight lines"};
const Registration<Activation, Clamp, ClampOptions> kClamp{"Clamp", "x between two bounds"};
const Registration<Activation, Clamp, ClampOptions> kClip{"Clip", "Clamp by its older name"};
const Plain<autograd::relu6, InplaceOptions> kRelu6{"ReLU6", "x between 0 and 6"};
const Plain<autograd::silu, InplaceOptions> kSilu{"SiLU", "x times its sigmoid"};
const Plain<autograd::silu, PlainOptions> kSwish{"Swish", "SiLU by its older name"};
const Plain<autograd::mish, InplaceOptions> kMish{"Mish", "x tanh(softplus(x))"};
const Plain<autograd::gelu, PlainOptions> kGelu{"GELU", "x times the normal distribution of x"};
const Plain<autograd::hswish, InplaceOptions> kHswish{"HSwish", "x times HSigmoid"};
const Plain<autograd::sigmoid, PlainOptions> kSigmoid{"Sigmoid", "1 / (1 + exp(-x))"};
const Plain<autograd::tanh, PlainOptions> kTanh{"Tanh", "hyperbolic tangent"};

}  // namespace

std::unique_ptr<Activation> make_activation(const Config& act_cfg) {
  return build<Activation>(act_cfg);
}

Config layer_config(std::string_view type) {
  Config config = Config::map();
  config.set("type", type);
  return config;
}

}  // namespace kestrel
