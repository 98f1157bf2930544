"""Fails where a test program is in the tree that is not built: nobody would miss its tests."""
import json
import sys
from pathlib import Path

root, build = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
built = {(build / unit["directory"] / unit["file"]).resolve()
         for unit in json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))}
forgotten = [path for path in sorted(root.glob("tests/**/check_*.c")) if path not in built]
print("\n".join(f"{path.relative_to(root)}: nothing builds it" for path in forgotten) or "every test program is built")
sys.exit(1 if forgotten else 0)
