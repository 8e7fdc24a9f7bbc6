# shellcheck shell=bash
# What the scripts share; to be sourced. Sets root and changes to it.

# nginx takes a variable of this name for a list of inherited sockets
unset NGINX

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root" || exit 1

say() { printf '%s\n' "$*" >&2; }

die() { say "${0##*/}: $*"; exit 1; }

# run_quiet COMMAND...: its output is shown, on stderr, only if it fails.
run_quiet() {
    local out rc=0
    out=$("$@" 2>&1 </dev/null) || rc=$?
    if ((rc)); then
        printf '%s\n' "$out" >&2
        say "failed: $*"
    fi
    return "$rc"
}

# need_packages PKG[=VERSION]...: Debian packages. Missing ones are installed when
# root, otherwise named. Elsewhere than on Debian the tools speak for themselves.
need_packages() {
    command -v dpkg-query >/dev/null || return 0
    local pkg missing=()
    for pkg in "$@"; do
        package_is_there "$pkg" || missing+=("$pkg")
    done
    ((${#missing[@]})) || return 0
    can_install || die "missing packages: as root, apt-get install ${missing[*]}"
    install_packages "${missing[@]}"
}

can_install() { [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; }

install_packages() {
    say "installing $*"
    update_packages
    run_quiet env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" \
        || die "cannot install $*"
}

# Once a run. Its failure is no end: the lists at hand may do.
update_packages() {
    if [[ -z ${packages_updated-} ]]; then run_quiet apt-get update -q || true; fi
    packages_updated=1
}

package_is_there() {
    local state
    # the source's version: that of a binary package may have a +b1 of a rebuild
    # shellcheck disable=SC2016 # dpkg's own variables
    state=$(dpkg-query -W -f '${db:Status-Status} ${source:Version}\n' "${1%%=*}" 2>/dev/null) || return 1
    case $1 in
        *=*) grep -qxF "installed ${1#*=}" <<<"$state" ;;
        *) grep -q '^installed ' <<<"$state" ;;
    esac
}

# cargo, new enough for Cargo.toml's rust-version.
need_cargo() {
    local home=${CARGO_HOME:-${HOME-}/.cargo} want have
    if ! command -v cargo >/dev/null && [[ -x $home/bin/cargo ]]; then
        export PATH="$home/bin:$PATH"
    fi
    want=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' Cargo.toml | head -n 1)
    command -v cargo >/dev/null \
        || die "cargo is missing: Rust ${want:-stable} or newer is needed, see https://rustup.rs"
    have=$(cargo --version </dev/null | sed -n 's/^cargo \([0-9.]*\).*/\1/p')
    [[ -n $have ]] || die "cargo --version fails: a Rust toolchain is needed, see https://rustup.rs"
    [[ $(printf '%s\n' "${want:-0}" "$have" | sort -V | head -n 1) == "${want:-0}" ]] \
        || die "cargo $have is too old: Rust $want or newer is needed, see https://rustup.rs"
}
