#!/usr/bin/env bash
# Installs Kestrel, builds examples/embed against it and runs it; again after the prefix was moved; once
# more by pkg-config.
# embed.sh <source root> <build folder> <folder with model.safetensors and picture.png, for temporary files>
set -euo pipefail
source_root=$1
build=$2
model=$3/model.safetensors
picture=$3/picture.png
work=$3/embed

fail() {
  echo "embed: $*" >&2
  exit 1
}

rm -rf "$work"
mkdir -p "$work"
cmake --install "$build" --prefix "$work/first prefix" >"$work/install.log" || fail "cannot install"

# build_and_run PREFIX NAME
build_and_run() {
  cmake -S "$source_root/examples/embed" -B "$work/$2" -G Ninja -DCMAKE_PREFIX_PATH="$1" >"$work/$2.log"
  cmake --build "$work/$2" >>"$work/$2.log" || { cat "$work/$2.log"; fail "$2 does not build"; }
  check_run "$work/$2/embed" "$1"
}

# check_run PROGRAM PREFIX: it runs, with the library of that prefix, and needs neither Torch nor Python.
check_run() {
  local libraries
  libraries=$(ldd "$1" | sed "s/ (0x[0-9a-f]*)$//")  # without addresses, whose digits may spell anything
  grep -q "libkestrel.so.* => $2/" <<<"$libraries" || fail "$1 does not use $2: $libraries"
  ! grep -iE 'torch|python|libc10|not found' <<<"$libraries" || fail "$1 needs what it must not need"
  # No configs, no build folder: the model file is all that it needs.
  (cd / && "$1" "$model" "$picture" 0) >"$work/output.txt" || fail "$1 failed"
  grep -qE '^(circle|square) [0-9.e-]+ \[' "$work/output.txt" || fail "$1 found nothing"
  ! "$1" "$model" "$work/missing.png" 2>"$work/error.txt" || fail "a missing picture is no error"
  grep -q missing.png "$work/error.txt" || fail "the error does not name the missing picture"
}

build_and_run "$work/first prefix" first
mv "$work/first prefix" "$work/second"
build_and_run "$work/second" moved
! grep -rIl "first prefix" "$work/second" || fail "these files name the prefix they were installed to"

# Without CMake. The flags of the .pc file are all that is given, so public headers need nothing else.
export PKG_CONFIG_PATH=$work/second/lib/pkgconfig LD_LIBRARY_PATH=$work/second/lib
read -ra flags < <(pkg-config --cflags --libs kestrel)
g++ -std=c++20 -Wall -Wextra -Werror "$source_root/examples/embed/main.cpp" -o "$work/by_pkg_config" \
  "${flags[@]}" || fail "does not build by pkg-config"
check_run "$work/by_pkg_config" "$work/second"

# What the umbrella header includes is Kestrel's or the standard library's.
g++ -std=c++20 -M "${flags[@]}" -x c++ - <<<'#include <kestrel/kestrel.h>' >"$work/headers.txt"
! grep -E '/(nlohmann|yaml-cpp|dnnl|oneapi|hwy|simdjson|pugixml|fmt|omp)' "$work/headers.txt" ||
  fail "kestrel.h includes headers that an application may lack"

# Every installed header can be included first and needs only what is installed.
find "$work/second/include/kestrel" -name '*.h' | sort | sed 's/.*/#include "&"/' >"$work/all_headers.cpp"
[[ -s $work/all_headers.cpp ]] || fail "no headers installed"
g++ -std=c++20 -fopenmp -fsyntax-only "$work/all_headers.cpp" "${flags[@]}" ||
  fail "an installed header needs one that is not"
