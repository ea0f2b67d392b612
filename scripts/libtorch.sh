#!/usr/bin/env bash
# Finds or fetches libtorch and tells cargo, in .cargo/config.toml, where it lies. A libtorch of
# yours wins: LIBTORCH or LIBTORCH_USE_PYTORCH, in the environment or in a cargo configuration.
# docs/setup.md says more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

config=.cargo/config.toml
marker="# Written by scripts/libtorch.sh. Delete this line to keep changes of your own."

say() { echo "libtorch: $*" >&2; }
die() { say "$@"; exit 1; }
runs() { "$@" > /dev/null 2>&1; }
is_ours() { [ "$(head -n 1 "$1" 2> /dev/null)" = "$marker" ]; }

# The cargo configuration, in this folder, above it or in cargo's home, that names your libtorch.
your_config() {
    local file folder=$PWD
    local -a files=("${CARGO_HOME:-${HOME:-}/.cargo}/config.toml" "$folder/.cargo/config.toml")
    while [ "$folder" != / ]; do
        folder=$(dirname "$folder")
        files+=("${folder%/}/.cargo/config.toml")
    done
    for file in "${files[@]}"; do
        if grep -qsE '^[^#]*LIBTORCH' "$file" && ! is_ours "$file"; then
            echo "$file"
            return
        fi
    done
}

if [ -n "${LIBTORCH_USE_PYTORCH+set}" ]; then # whatever its value: torch-sys looks no closer
    yours="Python's torch (LIBTORCH_USE_PYTORCH)"
elif [ -n "${LIBTORCH+set}" ]; then
    yours="LIBTORCH=$LIBTORCH"
else
    yours=$(your_config)
fi

# Every missing tool gets its line before the end, so that one round of installing is enough.
lacking=0
lack() { say "$@"; lacking=1; }

wanted=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' Cargo.toml)
if ! runs rustc --version || ! runs cargo --version; then
    lack "Rust is missing: install it from https://rustup.rs"
elif [ "$(rustc --version | sed 's/^rustc 1\.\([0-9]*\).*/\1/')" -lt "$wanted" ]; then
    lack "$(rustc --version) is too old, 1.$wanted is needed: run rustup update, or see https://rustup.rs"
fi
# CXX may hold arguments, as in "ccache g++".
# shellcheck disable=SC2086
runs ${CXX:-c++} --version ||
    lack "no C++ compiler (${CXX:-c++}): install g++ (Debian: apt install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install)"
if [ -z "$yours" ]; then
    if ! runs python3 -c 'import zlib'; then
        lack "python3 is missing: install it with pip (Debian: apt install python3 python3-pip; Fedora: dnf install python3-pip; macOS: brew install python)"
    elif ! runs python3 -c 'import pip'; then
        lack "pip is missing: install it (Debian: apt install python3-pip; Fedora: dnf install python3-pip; elsewhere: python3 -m ensurepip)"
    fi
fi
[ "$lacking" = 0 ] || exit 1

case $yours in
    "") ;;
    Python*)
        python=python3
        [ -z "${VIRTUAL_ENV+set}" ] || python=python # torch-sys's choice too
        runs "$python" -c 'import torch' ||
            die "LIBTORCH_USE_PYTORCH is set, but $python -c 'import torch' fails: install torch there, or unset it"
        ;;
    LIBTORCH=*)
        [[ $LIBTORCH = /* ]] || die "LIBTORCH='$LIBTORCH' is no absolute path: make it one, or unset it"
        compgen -G "$(printf %q "${LIBTORCH_LIB:-$LIBTORCH}")/lib/*torch_cpu.*" > /dev/null ||
            die "LIBTORCH='$LIBTORCH' holds no lib/libtorch_cpu: point it at a libtorch, or unset it to have one fetched"
        ;;
    *) # It would lose to a file of ours in this folder.
        ! is_ours "$config" || rm "$config"
        ;;
esac
if [ -n "$yours" ]; then
    say "yours: $yours"
    exit
fi

cache=${NEUROMFA_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/neuromfa}
[ "$cache" != /.cache/neuromfa ] || die "no place for the cache: set HOME or NEUROMFA_CACHE"
host=$(rustc -vV | sed -n 's/^host: //p')
libtorch=$(python3 scripts/fetch_libtorch.py "$cache" "$host")

quoted=${libtorch//\\/\\\\}
line="LIBTORCH = \"${quoted//\"/\\\"}\""
if [ -e "$config" ] && ! is_ours "$config"; then
    die "$config is yours and was left alone: add to it the two lines  [env]  and  $line"
fi
mkdir -p .cargo
printf '%s\n[env]\n%s\n' "$marker" "$line" > "$config.new"
mv "$config.new" "$config"
say "$libtorch"
