#include <gtest/gtest.h>

#include "simulator.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  kestrel::test::watch_simulator();
  return RUN_ALL_TESTS();
}
