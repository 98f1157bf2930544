"""Reads the layers off the includes, and fails where one is crossed.

client and daemon may use proto, never each other; proto uses neither, nor libuv; within daemon a file may include its own
layer and those below it."""
import re
import sys
from pathlib import Path

# from the top down
LAYERS = [
    {"main", "server", "settings", "setting", "listener"},
    {"sweeper"},
    {"conn"},
    {"dispatch"},
    {"methods", "methods_job", "methods_run", "methods_artifact", "methods_server", "methods_import", "methods_list"},
    {"call", "service"},
    {"ahead"},
    {"store"},
    {"journal"},
    {"budget", "chain", "fold", "merge", "payload", "repair"},
    {"salvage", "mend"},
    {"check"},
    {"load", "finding", "segment_read", "snapshot_read", "lines", "window"},
    {"table", "job", "run", "artifact"},
    {"remake", "gap"},
    {"record"},
    {"pack"},
    {"members"},
    {"state_dir", "segment", "snapshot", "mark"},
    {"flush", "spares"},
    {"disk"},
    {"loss"},
    {"newest", "pieces"},
    {"tree", "hash", "gather", "checksum", "slab", "shelf", "log", "sandbox", "conf_file", "notify", "users", "roles", "retention"},
]


def layer_of(noun):
    for place, names in enumerate(LAYERS):
        if noun in names:
            return place
    sys.exit(f"daemon/{noun} is in no layer: give it its place in LAYERS")


def crossings(root):
    for path in sorted([*root.glob("proto/*.[ch]"), *root.glob("daemon/*.[ch]"), *root.glob("client/**/*.[ch]")]):
        here = path.relative_to(root).parts[0]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*["<](?:(?P<dir>proto|daemon|client)/)?(?P<file>[^">]+)[">]', line)
            if not include:
                continue
            there = include["dir"] or ("" if "<" in line else here)
            place = f"{path.relative_to(root)}:{number}"
            if here == "proto" and (there in ("daemon", "client") or include["file"] == "uv.h"):
                yield f"{place}: proto includes {there or 'libuv'}"
            elif {here, there} == {"daemon", "client"}:
                yield f"{place}: {here} includes {there}"
            elif here == there == "daemon" and layer_of(Path(include["file"]).stem) < layer_of(path.stem):
                yield f"{place}: {path.stem} includes {Path(include['file']).stem}, which is above it"


found = list(crossings(Path(sys.argv[1])))
print("\n".join(found) or "no include crosses a layer")
sys.exit(1 if found else 0)
