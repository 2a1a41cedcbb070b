#!/usr/bin/env bash
# Runs every command of a page: run_page.sh [--afresh] PAGE SOURCE BUILD WORK.
#
# Blocks fenced as ```sh are run in their order in one shell, which stops at the first command that fails.
# A block fenced with a name, as ```cpp main.cpp, is written to that file. A block that cannot run here comes
# after a line <!-- not run: REASON -->.
#
# The shell starts in a folder that looks like a clone after a build: ./train_retinanet, ./run_tests and
# build/release/bin, configs and examples, with small data sets (make_data.cpp). Training is the real one with
# one epoch and pictures of 64 pixels: the programs there add the options that make it so.
#
# With --afresh nothing is built there: ./train_retinanet is the real script, and the cmake and ninja that it finds put the
# programs that it asks for into their place, and no other.
set -euo pipefail
afresh=false
if [[ $1 == --afresh ]]; then
  afresh=true
  shift
fi
page=$1
source_root=$2
build=$3
work=$4
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")

rm -rf "$work"
mkdir -p "$work/clone/build/release/bin" "$work/home"
cd "$work/clone"
for name in configs examples kernels tools kestrel.h; do ln -s "$source_root/$name" .; done
# put_program NAME: a program of the build, made small, into build/release/bin.
put_program() {
  rm -f "build/release/bin/$1"
  printf '#!/usr/bin/env bash\nexec %q %q %q "$@"\n' "$here/small.sh" "$build/bin/$1" "$1" >"build/release/bin/$1"
  chmod +x "build/release/bin/$1"
}
if $afresh; then
  mkdir "$work/tools"
  rmdir build/release/bin build/release build
  cp "$source_root/train_retinanet" .
  # As CMake leaves the folder that it configured.
  printf '#!/usr/bin/env bash\nmkdir -p build/release && touch build/release/build.ninja\necho %q >build/release/CMakeCache.txt\n' \
    "CMAKE_HOME_DIRECTORY:INTERNAL=$work/clone" >"$work/tools/cmake"
  {
    echo '#!/usr/bin/env bash'
    echo 'cd "$2" && mkdir -p bin && shift 2'
    printf 'cd ../.. && build=%q && here=%q\n' "$build" "$here"
    declare -f put_program
    # shellcheck disable=SC2016 # for the other script
    echo 'for word in "$@"; do
  case $word in
    train_retinanet) put_program train_retinanet ;;
    kestrel_cli) put_program kestrel ;;
  esac
done
echo "ninja: built what was asked for"'
  } >"$work/tools/ninja"
  chmod +x "$work/tools/cmake" "$work/tools/ninja"
  PATH=$work/tools:$PATH
else
  for entry in "$build"/*; do
    name=$(basename "$entry")
    [[ $name == bin ]] || ln -s "$entry" build/release/
  done
  for entry in "$build"/bin/*; do ln -s "$entry" build/release/bin/; done
  for program in kestrel train_retinanet; do put_program "$program"; done
  ln -s build/release/bin/train_retinanet train_retinanet
fi
"$build/bin/make_docs_data" .

# The page as a script; files of named blocks are written when their turn comes.
awk '
  function fail(text) { print FILENAME ":" FNR ": " text > "/dev/stderr"; failed = 1; exit 1 }
  /^<!-- not run: .*[^ ].* -->$/ { skip = 1; next }
  /^<!-- not run/ { fail("a block that is not run needs a reason: <!-- not run: REASON -->") }
  /^```/ && !inside {
    split($0, word, /[ `]+/)
    inside = 1
    language = word[2]
    file = word[3]
    if (language == "sh" && skip) { ++skipped; kind = "none" }
    else if (language == "sh") { ++run; kind = "sh"; print "# " FILENAME ":" FNR }
    else if (file != "") { kind = "file"; print "cat >\047" file "\047 <<\047END_OF_BLOCK\047" }
    else kind = "none"
    next
  }
  /^```/ {
    if (kind == "file") print "END_OF_BLOCK"
    inside = skip = 0
    next
  }
  inside && kind != "none" { print }
  /[^ ]/ && !inside { if (skip) fail("<!-- not run --> has to stand before a block") }
  END {
    if (failed) exit 1
    print "echo \"" run + 0 " blocks run, " skipped + 0 " not\" >&2"
  }' "$page" >"$work/commands.sh"

env -u KESTREL_DATA -u KESTREL_WEIGHTS HOME="$work/home" \
  bash -xeuo pipefail "$work/commands.sh" >"$work/output.txt" 2>"$work/log.txt" || {
  status=$?
  echo "$(basename "$page"): the last of these commands ended with $status:" >&2
  tail -n 25 "$work/log.txt" >&2
  exit 1
}
tail -n 1 "$work/log.txt"
