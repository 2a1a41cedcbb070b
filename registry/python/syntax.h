#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kestrel::python {

/// An expression. Which of the members mean something depends on its kind.
struct Expression {
  enum class Kind : uint8_t {
    None,
    Bool,          ///< `integer`
    Int,           ///< `integer`
    Float,         ///< `real`
    Text,          ///< `text`
    Formatted,     ///< The texts and expressions that f'...' joins: `parts`
    Name,          ///< `text`
    Reference,     ///< {{_base_.a.b}}: `text` is "a.b"
    List,          ///< `parts`
    Tuple,         ///< `parts`
    Dict,          ///< `parts`: pairs of key and value, or of nothing and an unpacked dict
    Unary,         ///< `operators[0]` before `parts[0]`
    Binary,        ///< `parts` with `operators` between them, from left to right
    Power,         ///< `parts[0]` ** `parts[1]`
    Compare,       ///< as Binary: each comparison has to hold
    And,           ///< `parts`
    Or,            ///< `parts`
    Conditional,   ///< `parts[1]` if `parts[0]` else `parts[2]`
    Item,          ///< `parts[0]`[`parts[1]`]
    Slice,         ///< `parts[0]`[`parts[1]`:`parts[2]`:`parts[3]`], each perhaps Missing
    Call,          ///< `text`(`arguments`); with `parts[0]`, a method of it
    ListOf,        ///< [`parts[0]` for `loops`]
    DictOf,        ///< {`parts[0]`: `parts[1]` for `loops`}
    Generator,     ///< (`parts[0]` for `loops`)
    Unpacked,      ///< *`parts[0]`
    UnpackedDict,  ///< **`parts[0]`
    Loop,          ///< for `parts[0]` in `parts[1]` if `parts[2]` if ...
    Argument,      ///< `parts[0]` as the argument `text`, if it has a name.
    Missing
  };
  Kind kind = Kind::Missing;
  int line = 0;
  int64_t integer = 0;
  double real = 0;
  std::string text = {};
  std::vector<std::string> operators = {};
  std::vector<Expression> parts = {};
  std::vector<Expression> loops = {};
  std::vector<Expression> arguments = {};
};

/// `targets[0]` = `targets[1]` = ... = `value`; without targets, an expression by itself.
struct Statement {
  int line = 0;
  std::vector<Expression> targets = {};
  Expression value = {};
};

}  // namespace kestrel::python
