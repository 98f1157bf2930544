#!/usr/bin/env bash
# Writes the man pages that are made from pages of docs/ into a directory. Where PERSISTCTL is set, it is the built
# program, and its own page is written as well: it is made from its tables of commands.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
to=$1
# the pages say how things are in this release
date=$(date -u -d "$(sed -n 's/^ -- .*>  //p;T;q' "$here/../../debian/changelog")" +%F)

# Takes the page, the man page's name and section, and its purpose in a line.
write() {
	python3 "$here/from_markdown.py" "$2" "$3" "$date" "$4" <"$here/../$1" >"$to/$2.$3"
}

write protocol.md persistd-protocol 7 "the JSON-RPC protocol of persistd"
write daemon.md persistd 8 "keep jobs and runs for the programs of this machine"
write configuration.md persistd.conf 5 "settings of persistd"
if [[ -n ${PERSISTCTL:-} ]]; then
	commands=$("$PERSISTCTL" __manual)
	sed -e "s/@DATE@/$date/" -e '/^@COMMANDS@$/{r /dev/stdin' -e 'd}' "$here/persistctl.1.in" <<<"$commands" |
		python3 "$here/tidy.py" >"$to/persistctl.1"
fi
