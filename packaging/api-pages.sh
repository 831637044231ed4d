#!/usr/bin/env bash
# Brings Swagger UI and ReDoc of these versions from npm into the API server's folder, packed, with their licences:  packaging/api-pages.sh
#
# npm compares each with the hash that the registry has. The one change to them: ReDoc shows a logo from its makers' host, and an API
# server's page asks no other host for anything.
set -euo pipefail
cd "$(dirname "$0")/.."
swagger="swagger-ui-dist@5.35.0"
redoc=redoc@2.5.4
out=$PWD/appliance/api_server/reference
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

unpacked() {
  mkdir "$folder/$1"
  (cd "$folder" && tar xzf "$(npm pack -s "$2")" -C "$1" --strip-components 1)
}
unpacked swagger "$swagger"
unpacked redoc "$redoc"
sed -i 's|https://cdn.redoc.ly/redoc/logo-mini.svg|data:,|' "$folder/redoc/bundles/redoc.standalone.js"

mkdir "$folder/files"
cp "$folder"/swagger/{swagger-ui.css,swagger-ui-bundle.js} "$folder/redoc/bundles/redoc.standalone.js" "$folder/files"
for file in "$folder"/files/*; do
  gzip -9nc "$file" >"$out/$(basename "$file").gz"
done
cat "$folder"/swagger/{LICENSE,NOTICE,swagger-ui-bundle.js.LICENSE.txt} >"$out/LICENSE.swagger-ui.txt"
cat "$folder"/redoc/{LICENSE,bundles/redoc.standalone.js.LICENSE.txt} >"$out/LICENSE.redoc.txt"
of() { printf '    "%s": {"package": "%s", "sha256": "%s"}' "$1" "$2" "$(sha256sum <"$folder/files/$1" | cut -d ' ' -f 1)"; }
{
  printf '{\n  "made by": "packaging/api-pages.sh",\n  "files": {\n'
  of redoc.standalone.js "$redoc" && printf ',\n'
  of swagger-ui-bundle.js "$swagger" && printf ',\n'
  of swagger-ui.css "$swagger" && printf '\n'
  printf '  }\n}\n'
} >"$out/sources.json"
