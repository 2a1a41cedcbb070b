#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
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

  /// The tensors of a state dict, in its order: of the dict `key`, such as "ema" or "ema.module";
  /// without one of "state_dict" or "model", of the file itself, or of the only dict of tensors
  /// that there is. A prefix "module." (DataParallel) is cut off. Throws ModelFileError where there
  /// are none, several to choose from, or two of one name; it lists what there is.
  std::vector<std::pair<std::string, Tensor>> state_dict(std::string_view key = {}) const;

  /// The keys of the dicts of tensors, with their numbers of tensors; a dict in a dict as "a.b".
  /// Without that of the file itself.
  std::vector<std::pair<std::string, size_t>> tensor_dicts() const;

 private:
  const PickleValue& find_state_dict(std::string_view key) const;
  [[noreturn]] void refuse(const std::string& why) const;

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
