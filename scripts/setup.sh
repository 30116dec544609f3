#!/usr/bin/env bash
# Make a virtual environment with the project in it; on Debian as root, the system's libraries too.
set -euo pipefail
cd "$(dirname "$0")/.."

# napari needs OpenGL and the libraries of Qt's xcb platform, and a screen, real or virtual.
packages="xvfb xauth libgl1 libegl1 libgl1-mesa-dri libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4
  libxcb-keysyms1 libxcb-image0 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libdbus-1-3
  libfontconfig1"
if [ -f /etc/debian_version ] && [ "$(id -u)" = 0 ]; then
  missing=""
  for package in $packages; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
  done
  if [ -n "$missing" ]; then
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
  fi
fi

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "napari-isr needs Python 3.11 or newer; set PYTHON=/path/to/it. Found: $("$PYTHON" -V)" >&2
  exit 1
}
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --upgrade "pip>=25.1"
"$VENV/bin/python" -m pip install --quiet --editable ".[all]" --group dev --constraint .ci/constraints.txt
