#!/usr/bin/env bash
# Makes the pictures of the README and of the site from runs of the programs, with Chromium: the
# terminal, the top of a report, each light and dark, and the preview for links to the site.
set -euo pipefail
cd "$(dirname "$0")/.."

pictures=$PWD/docs/public/pictures
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT

main() {
  mkdir -p "$pictures"
  show ./jbangw BankBasic.java
  show ./jbangw lost-update
  terminal light >"$pictures/terminal-light.svg"
  terminal dark >"$pictures/terminal-dark.svg"

  load
  photograph 1000 722 "file://$work/report.html" "$pictures/report-light.png"
  photograph 1000 722 "file://$work/report.html" "$pictures/report-dark.png" \
    --blink-settings=preferredColorScheme=0

  preview >"$work/preview.html"
  photograph 1200 630 "file://$work/preview.html" docs/public/preview.png
}

# Runs a command, and adds it and what it prints to the terminal.
show() {
  [[ ! -e $work/terminal ]] || echo
  echo "$ $*"
  "$@"
} >>"$work/terminal"

# Kills nodes under load, and leaves the report without the lines that say where it comes from.
load() {
  ./jbangw bank-chaos --report="$work/report.html"
  sed --in-place 's|</head>|<style>header, #events { display: none } body { padding-top: 4px } main { margin: 0 }</style></head>|' "$work/report.html"
}

# Draws the terminal in light or dark colours.
terminal() {
  local number=0 line class
  local -a colour=('#f6f8fa' '#d1d9e0' '#1f2328' '#0550ae')
  [[ $1 == light ]] || colour=('#161b22' '#3d444d' '#e6edf3' '#79c0ff')
  local height=$((64 + 20 * $(wc --lines <"$work/terminal")))
  cat <<SVG
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 $height" width="720" height="$height">
<style>
text { font: 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; fill: ${colour[2]} }
.command { font-weight: bold; fill: ${colour[3]} }
</style>
<rect x=".5" y=".5" width="719" height="$((height - 1))" rx="10" fill="${colour[0]}" stroke="${colour[1]}"/>
<g fill="${colour[1]}"><circle cx="22" cy="20" r="6"/><circle cx="42" cy="20" r="6"/><circle cx="62" cy="20" r="6"/></g>
SVG
  while IFS= read -r line; do
    number=$((number + 1))
    class=
    [[ $line != '$'* ]] || class=' class="command"'
    line=${line//&/'&amp;'} line=${line//</'&lt;'}
    [[ -z $line ]] || echo "<text x=\"20\" y=\"$((36 + 20 * number))\"$class>$line</text>"
  done <"$work/terminal"
  echo '</svg>'
}

# The page that becomes the preview.
preview() {
  cat <<HTML
<!doctype html>
<meta charset="utf-8">
<style>
body { margin: 0; padding: 0 48px; height: 630px; display: flex; align-items: center; gap: 40px }
div { font: 34px/1.3 sans-serif; color: #1f2328 }
h1 { margin: 0 0 24px; font-size: 52px; line-height: 1.15; color: #1d5fd1 }
img { width: 700px }
</style>
<div><h1>CockroachDB from Java</h1>Transfers that happen exactly once</div>
<img src="file://$pictures/terminal-light.svg" alt="">
HTML
}

# Takes a picture of a page: photograph WIDTH HEIGHT URL FILE [CHROMIUM'S OPTIONS].
photograph() {
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=2000 \
    --window-size="$1,$2" --screenshot="$4" "${@:5}" "$3" 2>"$work/chromium"
}

main
