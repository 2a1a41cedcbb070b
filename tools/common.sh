# What ./train_retinanet and ./run_tests share; sourced by both, with $root set to the repository.
# shellcheck shell=bash

build_dir=${root:?}/build/release

say() { printf 'kestrel: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# install_packages GROUP...: installs what is missing of those groups of tools/debian_packages.txt.
install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system: install the equivalents of tools/debian_packages.txt by hand"
    return
  fi
  local name group wanted=() missing=()
  while read -r name group _; do
    case " $* " in *" $group "*) wanted+=("$name") ;; esac
  done < <(grep -v '^#' "$root/tools/debian_packages.txt")
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
  for name in "${wanted[@]}"; do
    grep -qx "installed $name" <<<"$installed" || missing+=("$name")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0

  local as_root=()
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null ||
      die "these Debian packages are missing, and only root can install them. As root, run
  apt-get install ${missing[*]}
then call this script again."
    as_root=(sudo)
  fi
  say "installing the Debian packages that the build needs: ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -q -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    die "apt-get could not install them (its output is above)"
  fi
  rm -f "$log"
}

# configure CMAKE_ARGUMENT...: configures build/release, from scratch where the clone was moved.
configure() {
  local fresh=()
  if [[ -f $build_dir/CMakeCache.txt ]] &&
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$build_dir/CMakeCache.txt"; then
    fresh=(--fresh)
  fi
  say "configuring in build/release"
  (cd "$root" && cmake "${fresh[@]}" --preset release --log-level=WARNING "$@") >&2 ||
    die "cmake could not configure the build (its output is above)"
}

# Whether build/release was configured for this place.
configured() {
  [[ -f $build_dir/build.ninja ]] &&
    grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$build_dir/CMakeCache.txt"
}

# As many compilers as there are cores, with 1.5 GB of memory for each.
jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  if ((memory < 1)); then memory=1; fi
  echo $((memory < cores ? memory : cores))
}

# One build at a time; the lock is held until unlock_build.
lock_build() {
  mkdir -p "$build_dir"
  exec 9>"$build_dir/.lock"
  flock -n 9 || {
    say "waiting for another build in build/release"
    flock 9
  }
}
unlock_build() { exec 9>&-; }
