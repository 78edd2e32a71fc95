#!/bin/sh
# Debian packages that tests use, unpacked into .debian/ and not installed: no service starts, nothing else of the
# machine changes, and root is needed only where apt has no package lists yet. Says what is missing when it can't.
#   tests/support/debian.sh PACKAGE...
set -eu
cd "$(dirname "$0")/../.."

missing() {
    echo "tests/support/debian.sh: $1; tests that need Debian's $package are left out, and say so" >&2
    exit 1
}

for package in "$@"; do
    done=".debian/$package.ready"
    [ -e "$done" ] && continue
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || missing "there is no apt-get on this machine"
    if ! apt-cache show "$package" >/dev/null 2>&1; then
        [ "$(id -u)" -eq 0 ] || missing "apt knows no $package; run 'apt-get update' as root"
        apt-get update -qq -o Acquire::Retries=3 >&2 || missing "'apt-get update' failed"
    fi
    rm -rf ".debian/$package" && mkdir -p ".debian/$package"
    (cd ".debian/$package" && apt-get download -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root "$package" >&2) ||
        missing "'apt-get download $package' failed"
    dpkg-deb -x ".debian/$package"/*.deb .debian || missing "$package can't be unpacked"
    rm -rf ".debian/$package" && touch "$done"
done
