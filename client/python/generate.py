#!/usr/bin/env python3
"""Writes persistd/_methods.py, a stub for every method of the protocol, from what the daemon says of itself.

    generate.py DAEMON            starts that daemon for a moment and asks it (rpc.discover)
    generate.py -                 reads the OpenRPC document, or the reply that holds it, from standard input
    generate.py --check DAEMON    writes nothing; exits 1 if the file is not what would be written
    generate.py --print DAEMON    to standard output
"""
from __future__ import annotations

import argparse
import json
import keyword
import pathlib
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from typing import Any, Dict, List

TARGET = pathlib.Path(__file__).resolve().parent / "persistd" / "_methods.py"
WIDTH = 120

HEAD = '''"""A stub for every method of the protocol. Written by generate.py from rpc.discover; edit nothing here.

Required parameters may be given by position or by name, optional ones by name; None leaves an optional one out."""
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Union

from .link import USUAL, Timeout

if TYPE_CHECKING:
    from .client import Reply

REPEATABLE = frozenset({
%s
})


def _given(**params: Any) -> Dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}
'''

CLASSES = (
    ("Methods", "Each method waits for its answer and returns the result.", "def", "{result}", "return self.call"),
    ("AsyncMethods", "Each method is a coroutine that returns the result.", "async def", "{result}",
     "return await self.call"),
    ("PipelinedMethods", "Each method returns at once; its Reply has the result once the pipeline is sent.", "def",
     "Reply", "return self.call"),
)
SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "object": "Dict[str, Any]"}


def annotation(schema: Dict[str, Any]) -> str:
    if "$ref" in schema:
        return "Dict[str, Any]"
    if "oneOf" in schema:
        return f"Union[{', '.join(dict.fromkeys(annotation(one) for one in schema['oneOf']))}]"
    kind = schema.get("type")
    if kind == "array":
        return f"Sequence[{annotation(schema.get('items', {}))}]"
    return SCALARS.get(kind, "Any") if isinstance(kind, str) else "Any"


def result_annotation(schema: Dict[str, Any]) -> str:
    return "Dict[str, Any]" if "$ref" in schema or schema.get("type") == "object" else "Any"


def filled(text: str, indent: str, hanging: str = "") -> List[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + hanging,
                         break_long_words=False, break_on_hyphens=False)


def docstring(method: Dict[str, Any]) -> List[str]:
    lines = filled('"""' + method["summary"].replace("\\", "\\\\"), " " * 8)
    lines += [line for param in method["params"]
              for line in filled(f"{param['name']}: {param['description']}".replace("\\", "\\\\"), " " * 8, "    ")]
    result = f"Result: {method['result']['description']}."
    lines += filled(result.replace("\\", "\\\\"), " " * 8, "    ")
    lines[-1] += '"""'
    return lines


def signature(opening: str, arguments: List[str], result: str) -> List[str]:
    line = f"{opening}{', '.join(arguments)}) -> {result}:"
    if len(line) <= WIDTH:
        return [line]
    whole = [argument.replace(" ", "\0") for argument in arguments]
    wrapped = textwrap.wrap(f"{opening}{', '.join(whole)})\0->\0{result}:", WIDTH, subsequent_indent=" " * len(opening),
                            break_long_words=False)
    return [line.replace("\0", " ") for line in wrapped]


def stub(method: Dict[str, Any], define: str, result: str, give: str) -> List[str]:
    required = [param for param in method["params"] if param.get("required")]
    optional = [param for param in method["params"] if not param.get("required")]
    for name in (param["name"] for param in method["params"]):
        if keyword.iskeyword(name) or name in ("self", "timeout"):
            sys.exit(f"{method['name']}: a parameter cannot be called {name} in Python")
    arguments = ["self"] + [f"{param['name']}: {annotation(param['schema'])}" for param in required] + ["*"]
    arguments += [f"{param['name']}: Optional[{annotation(param['schema'])}] = None" for param in optional]
    arguments.append("timeout: Timeout = USUAL")
    always = ", ".join(f'"{param["name"]}": {param["name"]}' for param in required)
    given = ", ".join(f"{param['name']}={param['name']}" for param in optional)
    params = f"{{{always}, **_given({given})}}" if always and given else f"{{{always}}}" if always else \
        f"_given({given})" if given else "{}"
    call = f'        {give}("{method["name"]}", {params}, timeout=timeout)'
    lines = signature(f"    {define} {method['name'].replace('.', '_')}(", arguments, result) + docstring(method)
    if len(call) > WIDTH:
        call = "\n".join(textwrap.wrap(call, WIDTH, subsequent_indent=" " * 12, break_long_words=False))
    return ["", *lines, call]


def module(document: Dict[str, Any]) -> str:
    methods = document["methods"]
    repeatable = [f'"{method["name"]}",' for method in methods if method.get("x-role") in ("none", "read")]
    text = [HEAD % textwrap.fill(" ".join(repeatable), WIDTH, initial_indent="    ", subsequent_indent="    ",
                                 break_on_hyphens=False)]
    for name, prose, define, result, give in CLASSES:
        text += ["", f"class {name}:", f'    """{prose}"""', "",
                 f"    {define} call(self, method: str, params: Any = None, *, timeout: Timeout = USUAL) -> "
                 f"{result.format(result='Any')}:", '        """Any method, by the name that the protocol gives it."""',
                 "        raise NotImplementedError"]
        for method in methods:
            text += stub(method, define, result.format(result=result_annotation(method["result"]["schema"])), give)
        text.append("")
    return "\n".join(text)


def ask(daemon: str) -> Dict[str, Any]:
    """The document of a daemon of its own, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="persistd-generate-") as scratch:
        path = f"{scratch}/persistd.sock"
        process = subprocess.Popen([daemon, "--socket", path, "--state-dir", f"{scratch}/state"],
                                   stderr=subprocess.PIPE)
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                for _ in range(1000):
                    try:
                        sock.connect(path)
                        break
                    except OSError:
                        if process.poll() is not None:
                            sys.exit(f"{daemon} did not start: {process.communicate()[1].decode()}")
                        time.sleep(0.01)
                sock.sendall(b'{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}\n')
                with sock.makefile("rb") as replies:
                    document: Dict[str, Any] = json.loads(replies.readline())["result"]
        finally:
            process.terminate()
            process.communicate()
    return document


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes persistd/_methods.py from rpc.discover.")
    parser.add_argument("daemon", help="the daemon's binary, or - to read the document from standard input")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="exit 1 if the file is stale")
    how.add_argument("--print", action="store_true", help="to standard output")
    options = parser.parse_args()
    document = json.load(sys.stdin) if options.daemon == "-" else ask(options.daemon)
    text = module(document.get("result", document))
    if options.print:
        sys.stdout.write(text)
    elif not options.check:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        print(f"{TARGET} is stale: write it anew with {sys.argv[0]} {options.daemon}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
