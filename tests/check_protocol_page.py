"""docs/protocol.md must be what the spec table says now."""
import difflib
import subprocess
import sys

program, page = sys.argv[1:]
wanted = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines(keepends=True)
with open(page, encoding="utf-8") as file:
    found = file.read().splitlines(keepends=True)
if wanted != found:
    sys.stdout.writelines(difflib.unified_diff(found, wanted, "docs/protocol.md", "the spec table", n=1))
    sys.exit("docs/protocol.md is stale: run ./dev docs")
print("docs/protocol.md says what the spec table says")
