#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/tensor/pickle_value.h>

namespace kestrel {

struct Pickle;

/// A file that torch.save wrote, in its zip form (PyTorch 1.6 and later) or the one before. It is
/// read as data: nothing in it is executed.
class PthFile {
 public:
  /// What was saved. Tensors are views of the mapped file wherever they are dense there, and must
  /// not be written to; those that share a storage share it here.
  const PickleValue& root() const;

  /// The tensors of the state dict, in its order: of the dict "state_dict" or "model" of the file,
  /// or of the file itself. A prefix "module." (DataParallel) is cut off. Throws ModelFileError
  /// where there are none, or two of one name.
  std::vector<std::pair<std::string, Tensor>> state_dict() const;

 private:
  friend PthFile parse_pth(std::span<const std::byte>, const std::string&,
                           const std::shared_ptr<const void>&);
  std::shared_ptr<const Pickle> pickle_;
  std::string file_;
};

/// Whether the bytes begin as torch.save's files do.
bool is_pth(std::span<const std::byte> bytes);

/// Throws ModelFileError that names the file and what is wrong: among others any opcode or global
/// that weights do not need, and sizes that do not fit the file.
PthFile read_pth(const std::filesystem::path& path);

/// The same from memory that `owner` keeps alive; `file` stands for it in messages. Without an
/// owner the bytes have to outlive the tensors.
PthFile parse_pth(std::span<const std::byte> bytes, const std::string& file,
                  const std::shared_ptr<const void>& owner = nullptr);

/// What write_pth puts beside the tensors: the dict "meta" of MMDetection's checkpoints.
struct PthMeta {
  std::vector<std::string> classes;  ///< meta["CLASSES"]; left out where empty.
};

/// Writes tensors as an ordered dict that torch.load(weights_only=True) reads, atomically; with
/// `meta` as {"meta": ..., "state_dict": ...}. Throws ModelFileError.
void write_pth(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, Tensor>>& tensors,
               const PthMeta* meta = nullptr);

}  // namespace kestrel
