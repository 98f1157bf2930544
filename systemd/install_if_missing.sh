#!/bin/sh
# For meson install: a file of the machine's administrator is put where there is none, and never written over.
set -eu
to=${DESTDIR:-}$2
if [ -e "$to" ] || [ -L "$to" ]; then
	echo "Keeping $to"
else
	echo "Installing $1 to $to"
	mkdir -p "$(dirname "$to")"
	install -m 0644 "$1" "$to"
fi
