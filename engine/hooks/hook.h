#pragma once

namespace kestrel {

class Runner;
struct Safetensors;

/// When a hook is called among others at the same point: lowest value first; ties in order of
/// registration. Learning rate VeryHigh, optimizer AboveNormal, checkpoints Normal, evaluation
/// Low, loggers VeryLow: a checkpoint is written before the evaluation of its epoch, and a logger
/// sees what all others did.
enum class Priority {
  Highest = 0,
  VeryHigh = 10,
  High = 30,
  AboveNormal = 40,
  Normal = 50,
  BelowNormal = 60,
  Low = 70,
  VeryLow = 90,
  Lowest = 100,
};

/// Something that happens around training steps. What a hook needs besides the runner it is
/// constructed with.
class Hook {
 public:
  static constexpr const char* kKind = "hook";

  virtual ~Hook() = default;
  virtual void before_run(Runner& /*runner*/) {}
  virtual void before_epoch(Runner& /*runner*/) {}
  virtual void before_iter(Runner& /*runner*/) {}
  virtual void after_iter(Runner& /*runner*/) {}
  virtual void after_epoch(Runner& /*runner*/) {}
  virtual void after_run(Runner& /*runner*/) {}

  /// Adds what the hook needs to go on from here, under names of its own, to a resume file, and
  /// takes it back, before before_run.
  virtual void save(Safetensors& /*state*/) const {}
  virtual void load(const Safetensors& /*state*/) {}

  /// Whether the hook is a part of training (learning rate, update, evaluation). The others keep
  /// records: their time is the cost of saving and logging, and what they throw (a full disk) is
  /// a warning that does not end the run.
  virtual bool trains() const { return false; }
};

}  // namespace kestrel
