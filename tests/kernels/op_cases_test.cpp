#include <gtest/gtest.h>

#include <iostream>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

TEST(OpCases, AreAThousandOrMore) {
  const int64_t cases = planned_op_cases();
  RecordProperty("op_cases", std::to_string(cases));
  std::cout << "op cases: " << cases << " of " << registered_ops().size() << " operators\n";
  EXPECT_GE(cases, 1000);
}

}  // namespace
}  // namespace kestrel::test
