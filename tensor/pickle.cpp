// The machine of Python's pickle (protocols 2 to 5), for data only. Its opcodes are described in
// Python's Lib/pickletools.py.
#include <kestrel/tensor/pickle.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_map>

namespace kestrel {
namespace {

using Kind = PickleValue::Kind;

constexpr size_t kMaxValues = 4'000'000;
constexpr size_t kMaxTree = 16'000'000;  // values, those that are shared counted each time
constexpr int kMaxPickleDepth = 100;
constexpr size_t kMaxName = 256;
constexpr uint32_t kMaxLong = 1024;
constexpr size_t kMaxExtraCopied = 64 << 20;  // beyond the size of the pickle

class Machine {
 public:
  explicit Machine(ByteReader& in) : in_(in) { pickle_.may_copy = in.left() + kMaxExtraCopied; }

  Pickle run() {
    while (step(in_.number<uint8_t>())) {
      if (pickle_.values.size() > kMaxValues || stack_.size() > kMaxValues) {
        fail<ModelFileError>(in_.context(), ": the pickle has more than ", kMaxValues, " values");
      }
    }
    return std::move(pickle_);
  }

 private:
  template <class T>
  void push(Kind kind, T value) {
    stack_.push_back(pickle_.make(kind, std::move(value)));
  }

  PickleValue* pop() {
    const size_t floor = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() <= floor) fail<ModelFileError>(in_.context(), ": the pickle is damaged");
    PickleValue* top = stack_.back();
    stack_.pop_back();
    return top;
  }

  PickleValue* top() {
    stack_.push_back(pop());
    return stack_.back();
  }

  PickleValue::Items pop(size_t count) {
    PickleValue::Items items(count);
    for (size_t i = count; i > 0; --i) items[i - 1] = pop();
    return items;
  }

  /// Everything above the last mark, and the mark.
  PickleValue::Items pop_to_mark() {
    if (marks_.empty()) fail<ModelFileError>(in_.context(), ": the pickle is damaged");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    PickleValue::Items items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  std::string line() {
    std::string text;
    for (char c = in_.number<char>(); c != '\n'; c = in_.number<char>()) {
      text += c;
      if (text.size() > kMaxName) fail<ModelFileError>(in_.context(), ": the pickle is damaged");
    }
    return text;
  }

  /// A little-endian integer in two's complement of any length.
  void push_long(uint32_t size) {
    if (size > kMaxLong) {
      fail<ModelFileError>(in_.context(), ": the pickle has an integer of ", size, " bytes");
    }
    const std::string_view bytes = in_.text(size);
    if (size > sizeof(int64_t)) return push(Kind::Bytes, std::string(bytes));
    const bool negative = size > 0 && (bytes.back() & 0x80) != 0;
    uint64_t value = negative ? ~uint64_t{0} : 0;
    for (size_t i = size; i > 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i - 1]);
    push(Kind::Int, static_cast<int64_t>(value));
  }

  void memoize(uint64_t index) { memo_[index] = top(); }

  void recall(uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) {
      fail<ModelFileError>(in_.context(), ": the pickle refers to a value that it does not have");
    }
    stack_.push_back(found->second);
  }

  void append(const PickleValue::Items& items) {
    auto* list = top();
    // An object of a class of lists, sets or dicts is read as what it holds.
    if (list->is(Kind::Opaque)) become(*list, Kind::List, PickleValue::Items());
    if (!list->is(Kind::List)) refuse_kind("append to", *list);
    auto& all = std::get<PickleValue::Items>(list->value);
    all.insert(all.end(), items.begin(), items.end());
  }

  void set_items(const PickleValue::Items& items) {
    auto* dict = top();
    if (dict->is(Kind::Opaque)) become(*dict, Kind::Dict, PickleValue::Entries());
    if (!dict->is(Kind::Dict)) refuse_kind("set an item of", *dict);
    auto& entries = std::get<PickleValue::Entries>(dict->value);
    if (items.size() % 2 != 0) fail<ModelFileError>(in_.context(), ": the pickle is damaged");
    for (size_t i = 0; i < items.size(); i += 2) entries.emplace_back(items[i], items[i + 1]);
  }

  template <class T>
  static void become(PickleValue& object, Kind kind, T value) {
    object.kind = kind;
    object.value = std::move(value);
  }

  [[noreturn]] void refuse_kind(const char* what, const PickleValue& value) const {
    fail<ModelFileError>(in_.context(), ": the pickle wants to ", what, " a ", name_of(value.kind));
  }

  void call() {
    const PickleValue* arguments = pop();
    const PickleValue* function = pop();
    stack_.push_back(pickle_globals::call(pickle_, *function, *arguments, in_.context()));
  }

  /// Executes one opcode; false for STOP.
  bool step(uint8_t opcode);
  bool step_simple(uint8_t opcode);
  bool step_container(uint8_t opcode);
  bool step_object(uint8_t opcode);

  ByteReader& in_;
  Pickle pickle_;
  std::vector<PickleValue*> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint64_t, PickleValue*> memo_;
};

bool Machine::step(uint8_t opcode) {
  if (opcode == '.') {  // STOP
    pickle_.root = pop();
    return false;
  }
  if (!step_simple(opcode) && !step_container(opcode) && !step_object(opcode)) {
    constexpr std::string_view kHex = "0123456789abcdef";
    fail<ModelFileError>(in_.context(), ": the pickle has opcode 0x", kHex[opcode >> 4],
                         kHex[opcode & 15], " at byte ", in_.position() - 1,
                         ", which weights do not need; it is damaged or not a checkpoint");
  }
  return true;
}

/// Numbers, text, and the stack.
bool Machine::step_simple(uint8_t opcode) {
  switch (opcode) {
    case 0x80:  // PROTO
      if (const auto version = in_.number<uint8_t>(); version < 2 || version > 5) {
        fail<ModelFileError>(in_.context(), ": pickle protocol ", int{version}, " is not known");
      }
      return true;
    case 0x95:  // FRAME
      in_.number<uint64_t>();
      return true;
    case 'N':
      push(Kind::None, std::monostate{});
      return true;
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      push(Kind::Bool, int64_t{opcode == 0x88});
      return true;
    case 'J':  // BININT
      push(Kind::Int, int64_t{in_.number<int32_t>()});
      return true;
    case 'K':  // BININT1
      push(Kind::Int, int64_t{in_.number<uint8_t>()});
      return true;
    case 'M':  // BININT2
      push(Kind::Int, int64_t{in_.number<uint16_t>()});
      return true;
    case 0x8a:  // LONG1
      push_long(in_.number<uint8_t>());
      return true;
    case 0x8b:  // LONG4
      push_long(in_.number<uint32_t>());
      return true;
    case 'G':  // BINFLOAT, the one number that is big-endian
      push(Kind::Float, std::bit_cast<double>(__builtin_bswap64(in_.number<uint64_t>())));
      return true;
    case 0x8d:  // BINUNICODE8
      push(Kind::String, std::string(in_.text(in_.number<uint64_t>())));
      return true;
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      push(Kind::Bytes, std::string(in_.text(in_.number<uint64_t>())));
      return true;
    case 'X':  // BINUNICODE
      push(Kind::String, std::string(in_.text(in_.number<uint32_t>())));
      return true;
    case 'U':   // SHORT_BINSTRING
    case 0x8c:  // SHORT_BINUNICODE
      push(Kind::String, std::string(in_.text(in_.number<uint8_t>())));
      return true;
    case 'C':  // SHORT_BINBYTES
      push(Kind::Bytes, std::string(in_.text(in_.number<uint8_t>())));
      return true;
    case 'B':  // BINBYTES
      push(Kind::Bytes, std::string(in_.text(in_.number<uint32_t>())));
      return true;
    case 'q':  // BINPUT
      memoize(in_.number<uint8_t>());
      return true;
    case 'r':  // LONG_BINPUT
      memoize(in_.number<uint32_t>());
      return true;
    case 0x94:  // MEMOIZE
      memoize(memo_.size());
      return true;
    case 'h':  // BINGET
      recall(in_.number<uint8_t>());
      return true;
    case 'j':  // LONG_BINGET
      recall(in_.number<uint32_t>());
      return true;
    case '0':  // POP
      pop();
      return true;
    case '1':  // POP_MARK
      pop_to_mark();
      return true;
    case '2':  // DUP
      stack_.push_back(top());
      return true;
    default:
      return false;
  }
}

bool Machine::step_container(uint8_t opcode) {
  switch (opcode) {
    case '(':  // MARK
      marks_.push_back(stack_.size());
      if (marks_.size() > kMaxValues) fail<ModelFileError>(in_.context(), ": too many marks");
      return true;
    case ')':  // EMPTY_TUPLE
      push(Kind::Tuple, PickleValue::Items());
      return true;
    case 't':  // TUPLE
      push(Kind::Tuple, pop_to_mark());
      return true;
    case 0x85:  // TUPLE1
    case 0x86:  // TUPLE2
    case 0x87:  // TUPLE3
      push(Kind::Tuple, pop(opcode - 0x84U));
      return true;
    case ']':  // EMPTY_LIST
      push(Kind::List, PickleValue::Items());
      return true;
    case 'a':  // APPEND
      append(pop(1));
      return true;
    case 'e':  // APPENDS
      append(pop_to_mark());
      return true;
    case '}':  // EMPTY_DICT
      push(Kind::Dict, PickleValue::Entries());
      return true;
    case 's':  // SETITEM
      set_items(pop(2));
      return true;
    case 'u':  // SETITEMS
      set_items(pop_to_mark());
      return true;
    case 0x8f:  // EMPTY_SET
      push(Kind::List, PickleValue::Items());
      return true;
    case 0x91:  // FROZENSET
      push(Kind::List, pop_to_mark());
      return true;
    case 0x90:  // ADDITEMS
      append(pop_to_mark());
      return true;
    default:
      return false;
  }
}

bool Machine::step_object(uint8_t opcode) {
  switch (opcode) {
    case 'c': {  // GLOBAL
      const std::string module = line();
      stack_.push_back(pickle_globals::find(pickle_, module + '.' + line()));
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const std::string name = pop()->as_text();
      const std::string& module = pop()->as_text();
      if (module.size() + name.size() > 2 * kMaxName) {
        fail<ModelFileError>(in_.context(), ": the pickle is damaged");
      }
      stack_.push_back(pickle_globals::find(pickle_, module + '.' + name));
      return true;
    }
    case 'R':   // REDUCE
    case 0x81:  // NEWOBJ
      call();
      return true;
    case 0x92:  // NEWOBJ_EX: arguments by name as well, which nothing in the list has
      pop();
      pop();
      if (const auto* type = pop(); type->is(Kind::Name) || type->is(Kind::Opaque)) {
        const std::string& name = std::get<std::string>(type->value);
        push(Kind::Opaque, name);
        return true;
      }
      fail<ModelFileError>(in_.context(), ": the pickle is damaged");
    case 'b': {  // BUILD
      const PickleValue* state = pop();
      pickle_globals::set_state(pickle_, *top(), *state, in_.context());
      return true;
    }
    case 'Q':  // BINPERSID
      stack_.push_back(pickle_globals::load_persistent(pickle_, *pop(), in_.context()));
      return true;
    default:
      return false;
  }
}

/// Walks a tree once: no value contains itself, nor lies too deep, nor does what is shared make
/// the tree as a whole too large to walk.
class TreeCheck {
 public:
  explicit TreeCheck(const std::string& context) : context_(context) {}

  struct Extent {
    int height = 0;  // 0 while the value is being walked
    size_t size = 0;
  };

  Extent check(const PickleValue& value, int depth = 0) {
    const auto [found, is_new] = extents_.try_emplace(&value);
    if (!is_new) {
      if (found->second.height == 0) fail<ModelFileError>(context_, ": a list contains itself");
      return found->second;
    }
    Extent extent{1, 1};
    const auto add = [&](const PickleValue& child) {
      const Extent below = check(child, depth + 1);
      extent.height = std::max(extent.height, below.height + 1);
      extent.size += below.size;
      if (extent.height > kMaxPickleDepth || extent.size > kMaxTree) refuse();
    };
    if (depth > kMaxPickleDepth) refuse();
    if (const auto* items = std::get_if<PickleValue::Items>(&value.value)) {
      for (const PickleValue* item : *items) add(*item);
    } else if (const auto* entries = std::get_if<PickleValue::Entries>(&value.value)) {
      for (const auto& [key, item] : *entries) {
        add(*key);
        add(*item);
      }
    }
    return extents_[&value] = extent;
  }

 private:
  [[noreturn]] void refuse() const {
    fail<ModelFileError>(context_, ": the values are nested too deeply, or repeated too often");
  }

  const std::string& context_;
  std::unordered_map<const PickleValue*, Extent> extents_;
};

}  // namespace

PickleValue* Pickle::make(Kind kind) {
  values.emplace_back();
  values.back().kind = kind;
  return &values.back();
}

Pickle read_pickle(ByteReader& in) {
  Pickle pickle = Machine(in).run();
  TreeCheck(in.context()).check(*pickle.root);
  return pickle;
}

}  // namespace kestrel
