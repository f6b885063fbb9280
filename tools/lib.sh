# lib.sh: functions shared by the tools. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Debian packages by purpose.
packages_build="gcc libc6-dev meson ninja-build pkg-config libuv1-dev libseccomp-dev libcgroup-dev
  libjansson-dev libinih-dev uthash-dev libarchive-dev libsystemd-dev libxxhash-dev
  libssl-dev libcurl4-openssl-dev libc-ares-dev node-llhttp"
# Functions in Python, and what their tests run with it. A build does without.
packages_python="libpython3.11-dev python3.11 python3-flask python3-bottle python3-markupsafe"
packages_python_rest="python3-numpy python3-psycopg2 python3-redis"
packages_test="libcmocka-dev zlib1g-dev curl binutils strace g++ clang
  libxml2-dev libglib2.0-dev"
# Libraries of tests/libraries. tools/trees fetches their source trees.
packages_libraries="ca-certificates duktape-dev libarchive-dev libbrotli-dev libbz2-dev
  libcurl4-openssl-dev libexpat1-dev libfftw3-dev libglib2.0-dev libgmp-dev libhiredis-dev libicu-dev
  libjansson-dev libjpeg-dev liblua5.4-dev liblz4-dev libmagickwand-6.q16-dev
  libopenblas-dev libpcre2-dev libpng-dev libpq-dev libprotobuf-c-dev libsodium-dev
  libsqlite3-dev libssl-dev libunistring-dev libxml2-dev libyaml-dev libzstd-dev
  zlib1g-dev"
# Clients, proxies and checkers of test_tools.c and test_telemetry.c.
packages_tools="wget apache2-utils wrk python3 nodejs nginx-light haproxy openssl prometheus
  postgresql redis-server"
packages_browser="chromium nodejs python3-jsonschema"
packages_vm="qemu-system-x86 cpio busybox-static apt debootstrap procps"
packages_package="build-essential debhelper lintian fakeroot"
packages_style="clang-format clang-tidy"

# Installs those of the named packages that are missing.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  [ "$(id -u)" -eq 0 ] || die "these packages are missing, and only root can install them: ${missing[*]}"
  say "installing: ${missing[*]}"
  # RUNLEVEL=1: a package that brings a service does not start it
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  apt-get update -qq >/dev/null || die "apt-get update failed"
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt-get install failed"
}

# Configures $1 and builds only the targets $2. Other arguments are passed to meson.
build_some_into() {
  local dir=$1 targets=$2 log
  shift 2
  log=$(mktemp)
  if [ ! -f "$dir/build.ninja" ]; then
    meson setup "$dir" "$root" -Db_lundef=false "$@" >"$log" 2>&1 ||
      { tail -20 "$log"; die "meson setup failed"; }
  fi
  # shellcheck disable=SC2086
  ninja -C "$dir" $targets >"$log" 2>&1 || { tail -40 "$log"; die "the build failed"; }
  rm -f "$log"
}

# Configures and builds $1 and installs to $1/stage. Other arguments are passed to meson.
build_into() {
  local dir=$1 log
  shift
  log=$(mktemp)
  if [ ! -f "$dir/build.ninja" ]; then
    meson setup "$dir" "$root" --prefix="$dir/stage" -Dlibdir=lib "$@" >"$log" 2>&1 ||
      { tail -20 "$log"; die "meson setup failed"; }
  fi
  { ninja -C "$dir" && meson install -C "$dir" --no-rebuild; } >"$log" 2>&1 ||
    { tail -40 "$log"; die "the build failed"; }
  rm -f "$log"
}

# Debian's cloud kernel into $1/kernel, unpacked and not installed.
fetch_kernel() {
  local package work=$1
  ls "$work"/kernel/boot/vmlinuz-* >/dev/null 2>&1 && return
  [ -n "$(apt-cache search --names-only '^linux-image-cloud-amd64$')" ] || apt-get update -qq >/dev/null
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2 }')
  [ -n "$package" ] || die "no package linux-image-cloud-amd64: apt-get update first?"
  rm -rf "$work/kernel" && mkdir -p "$work/kernel"
  (cd "$work/kernel" && apt-get download -qq "$package" >/dev/null 2>&1 && dpkg-deb -x ./*.deb . &&
    rm -f ./*.deb) || die "the kernel package $package could not be fetched"
}
