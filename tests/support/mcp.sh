#!/bin/sh
# MCP servers of others that tests speak to, into .mcp/: PyPI's mcp-server-sqlite, in an environment of its own (it needs
# an older SDK than ours), and npm's server-filesystem. Says what is missing when it can't.
set -eu
cd "$(dirname "$0")/../.."

missing() {
    echo "tests/support/mcp.sh: $1; tests on that server are left out, and say so" >&2
    failed=1
}
failed=0

if [ ! -e .mcp/sqlite.ready ]; then
    python=.venv/bin/python
    [ -x "$python" ] || python=python3
    if "$python" -m venv --clear .mcp/python >&2 &&
        .mcp/python/bin/pip install -qq --disable-pip-version-check mcp-server-sqlite==2025.4.25 'mcp==1.30.0' >&2; then
        touch .mcp/sqlite.ready
    else
        missing "mcp-server-sqlite can't be installed from PyPI"
    fi
fi
if [ ! -e .mcp/filesystem.ready ]; then
    if command -v npm >/dev/null &&
        npm install --silent --no-audit --no-fund --fetch-retries=5 --prefix .mcp \
            @modelcontextprotocol/server-filesystem@2026.8.31 >&2; then
        touch .mcp/filesystem.ready
    else
        missing "@modelcontextprotocol/server-filesystem can't be installed from npm (is there a node?)"
    fi
fi
exit "$failed"
