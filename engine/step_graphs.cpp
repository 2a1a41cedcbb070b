#include <kestrel/engine/step_graphs.h>

#include <algorithm>
#include <utility>

#include <kestrel/kernels/binary.h>
#include <kestrel/kernels/unary.h>

namespace kestrel {
namespace {

/// Makes a stream the current one for its own lifetime.
class OnStream {
 public:
  explicit OnStream(Stream stream) : before_(gpu::set_current_stream(stream)) {}
  ~OnStream() { gpu::set_current_stream(before_); }
  OnStream(const OnStream&) = delete;
  OnStream& operator=(const OnStream&) = delete;

 private:
  Stream before_;
};

/// total += share * gradient. A whole gradient alone is not copied.
void add_gradient(Tensor& total, const Tensor& gradient, double share) {
  if (!total && share == 1) {
    total = gradient;
    return;
  }
  Tensor part = Tensor::empty_like(gradient);
  run(part.device(), cpu::unary_forward, gpu::unary_forward, gradient.view(), part.view(),
      UnaryParams{UnaryOp::Affine, share, 0});
  if (!total) {
    total = std::move(part);
  } else {
    run(total.device(), cpu::binary_forward, gpu::binary_forward, BinaryOp::Add, total.cview(),
        part.cview(), total.view());
  }
}

}  // namespace

struct StepGraphs::Entry {
  Batch batch;  // What the graph reads; metas and truths are not its business.
  gpu::Graph graph;
  StepResult result;              // Its losses: what the graph writes.
  std::vector<Variable> params;   // Those with a gradient,
  std::vector<Tensor> gradients;  // and what the graph writes them to.

  ~Entry() {
    if (graph.handle) gpu::destroy_graph(graph);
  }
  bool fits(const Batch& other) const {
    return batch.images.shape() == other.images.shape() &&
           batch.targets.has_shapes_of(other.targets);
  }
};

StepGraphs::StepGraphs(Module& model, Device device, Forward forward)
    : model_(model),
      device_(device),
      forward_(std::move(forward)),
      capture_stream_(gpu::create_stream(device.index())) {
  gpu::keep_memory(capture_stream_);
}

StepGraphs::~StepGraphs() {
  gpu::synchronize(gpu::current_stream(device_.index()));
  entries_.clear();
  gpu::forget_memory(capture_stream_);
  gpu::destroy_stream(capture_stream_);
}

StepResult StepGraphs::step(const Batch& batch) {
  const auto found = std::ranges::find_if(
      entries_, [&](const std::unique_ptr<Entry>& entry) { return entry->fits(batch); });
  if (found == entries_.end()) {
    // As usual: so that what is made once, such as anchors, is there before the recording.
    if (entries_.size() < kMaxGraphs) {
      entries_.push_back(std::make_unique<Entry>());
      Entry& entry = *entries_.back();
      entry.batch.images = batch.images.clone();
      entry.batch.targets = batch.targets;
      for (Tensor* tensor : entry.batch.targets.tensors()) *tensor = tensor->clone();
    }
    return forward_(batch);
  }
  if (!(*found)->graph.handle) record(**found);
  return replay(**found, batch);
}

void StepGraphs::record(Entry& entry) {
  std::vector<Variable> params;
  std::vector<Tensor> before;
  for (auto& [name, param] : model_.named_parameters()) {
    params.push_back(param);
    before.push_back(std::exchange(param.grad(), Tensor()));
  }
  gpu::synchronize(gpu::current_stream(device_.index()));
  const OnStream on_stream(capture_stream_);
  gpu::begin_capture(capture_stream_);
  try {
    StepResult result = forward_(entry.batch);
    result.loss.backward();
    entry.result.loss = result.loss.detach();
    for (const auto& [name, loss] : result.losses) {
      entry.result.losses.emplace_back(name, loss.detach());
    }
  } catch (...) {
    try {
      gpu::destroy_graph(gpu::end_capture(capture_stream_));
    } catch (const Error&) {
      // The recording broke: the first error says why.
    }
    throw;
  }
  entry.graph = gpu::end_capture(capture_stream_);
  for (size_t i = 0; i < params.size(); ++i) {
    Tensor gradient = std::exchange(params[i].grad(), before[i]);
    if (!gradient) continue;
    entry.params.push_back(params[i]);
    entry.gradients.push_back(std::move(gradient));
  }
}

StepResult StepGraphs::replay(Entry& entry, const Batch& batch) {
  entry.batch.images.copy_from(batch.images);
  const std::vector<Tensor*> recorded = entry.batch.targets.tensors();
  TargetTensors given = batch.targets;
  for (size_t i = 0; i < recorded.size(); ++i) recorded[i]->copy_from(*given.tensors()[i]);
  gpu::launch_graph(entry.graph, gpu::current_stream(device_.index()));
  ++replays_;
  // The next replay overwrites the entry's own.
  StepResult result;
  result.loss = Variable(entry.result.loss.data().clone());
  for (const auto& [name, loss] : entry.result.losses) {
    result.losses.emplace_back(name, Variable(loss.data().clone()));
  }
  result.num_samples = static_cast<int64_t>(batch.metas.size());
  result.differentiate = [&entry](double share) {
    for (size_t i = 0; i < entry.params.size(); ++i) {
      add_gradient(entry.params[i].grad(), entry.gradients[i], share);
    }
  };
  return result;
}

}  // namespace kestrel
