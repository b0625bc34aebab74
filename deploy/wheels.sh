#!/usr/bin/env bash
# On a machine with internet, of the same system and Python as the office's: gathers everything into one folder, `wheels/`.
set -euo pipefail
cd "$(dirname "$0")/.."
out="${1:-wheels}"
rm -rf "$out" && mkdir -p "$out"
uv export --quiet --no-dev --no-emit-project --no-hashes --no-annotate --no-header --output-file "$out/versions.txt"
python3 -m pip download --quiet --only-binary :all: --dest "$out" --requirement "$out/versions.txt"
uv build --quiet --wheel --out-dir "$out"
cp -r deploy docs "$out/"
cp -r escalation/sample "$out/sample"
echo "$(ls "$out"/*.whl | wc -l) wheels, $(du -sh "$out" | cut -f1): copy the folder $out to the office's machine"
