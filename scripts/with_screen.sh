#!/usr/bin/env bash
# Run a command with a screen: the one there is, or a virtual one.
set -euo pipefail
if [ -n "${DISPLAY:-}" ] || [ "$(uname)" != Linux ]; then
  exec "$@"
fi
command -v xvfb-run >/dev/null || {
  echo "There is no screen and no xvfb-run: install xvfb, or set DISPLAY." >&2
  exit 1
}
exec xvfb-run -a -s "-screen 0 1600x1000x24" "$@"
