#!/bin/sh
# A Chromium for tests/ui: the one on the PATH, else Debian's, installed. Says what is missing when it can't, and fails:
# tests that don't run must not look like tests that passed.
set -eu

for program in chromium chromium-browser google-chrome; do
    if command -v "$program" >/dev/null; then exit 0; fi
done

missing() {
    echo "make test-ui: there is no Chromium: $1" >&2
    exit 1
}

command -v apt-get >/dev/null || missing "and no apt-get to install one; put 'chromium' or 'google-chrome' on the PATH"
[ "$(id -u)" -eq 0 ] || missing "run 'apt-get install chromium' as root, or put one on the PATH"
echo "Installing Debian's chromium (once, about 400 MB) ..."
apt-get update -qq -o Acquire::Retries=3 >/dev/null || missing "'apt-get update' failed"
DEBIAN_FRONTEND=noninteractive apt-get install -qq -o Acquire::Retries=3 --no-install-recommends chromium >/dev/null ||
    missing "'apt-get install chromium' failed"
