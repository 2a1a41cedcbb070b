#pragma once

#include <memory>
#include <string>

#include <kestrel/layers/module.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// A part that a config puts between the layers of a backbone (MMCV's plugins) and that leaves the
/// shape of a map as it is: ContextBlock, or what was registered as
/// Registration<Block, ..., int64_t>, which is given the channels.
class Block : public Module {
 public:
  static constexpr const char* kKind = "block";

  /// x (N, H, W, C) to (N, H, W, C).
  virtual Variable forward(const Variable& x) = 0;
  /// Its name inside a module, to which a config may add a postfix: "context_block".
  virtual std::string abbreviation() const = 0;
};

/// Throws UsageError for an unknown type.
std::unique_ptr<Block> make_block(const Config& cfg, int64_t channels);

}  // namespace kestrel
