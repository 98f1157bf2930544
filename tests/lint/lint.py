"""One tool over the sources, with the flags of a build: nothing may be found.

gcc and clang compile daemon, proto, client and tests with -Werror and throw the result away; clang-tidy goes by
.clang-tidy, cppcheck by cppcheck.suppressions. --quick leaves out what needs minutes: what clang's analyzer sees, and
gcc's warnings that come of optimising the tests. A tool that is not installed skips its test (exit status 77)."""
import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ("proto", "daemon", "client")
JOBS = min(2, os.cpu_count() or 1)
WITH_NEXT = ("-o", "-MQ", "-MF")  # flags of a build's command line that name what it writes
ALONE = ("-MD", "-c", "-fdiagnostics-color=always", "-fcolor-diagnostics")


def commands(build):
    """(source below ROOT, flags, directory) of each file that a build compiles; none twice."""
    seen = {}
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        source = Path(entry["directory"], entry["file"]).resolve()
        words, flags = iter(shlex.split(entry["command"])[1:]), []
        for word in words:
            if word in WITH_NEXT:
                next(words)
            elif word not in ALONE and not word.startswith("-O") and word != entry["file"]:
                flags.append(word)
        if source.suffix == ".c" and ROOT in source.parents:
            seen.setdefault(source.relative_to(ROOT), (source.relative_to(ROOT), flags, entry["directory"]))
    return sorted(seen.values(), key=lambda command: command[0])


def failed(arguments, directory=ROOT):
    """What a tool says where it does not end well."""
    done = subprocess.run(arguments, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    return done.stdout or f"{arguments[0]} ended with {done.returncode}\n" if done.returncode else ""


def compiled(tool, files, quick):
    def one(file):
        source, flags, directory = file
        # gcc understands the flow of control from -O1 on, clang without
        syntax_only = tool == "clang" or (quick and source.parts[0] not in OURS)
        how = ["-fsyntax-only"] if syntax_only else ["-O1", "-c", "-o", os.devnull]
        return failed([tool, *flags, "-Werror", *(["-Wno-unknown-warning-option"] if tool == "clang" else []), *how,
                       str(ROOT / source)], directory)
    return one, files


def tidied(files, quick, build):
    checks = ["--checks=-clang-analyzer-*"] if quick else []
    def one(file):
        return failed(["clang-tidy", "--quiet", "-p", str(build), *checks, "--extra-arg=-Wno-unknown-warning-option",
                       str(ROOT / file[0])])
    return one, [file for file in files if file[0].parts[0] in OURS]


def checked():
    """cppcheck spreads the files by itself; macros of libraries whose headers it does not read are told."""
    def one(_):
        return failed(["cppcheck", "--quiet", f"-j{JOBS}", "--std=c11", "--enable=warning,portability,performance",
                       "--inconclusive", "--error-exitcode=1", "--inline-suppr",
                       f"--suppressions-list={ROOT}/tests/lint/cppcheck.suppressions",
                       "-D_GNU_SOURCE", "-I", str(ROOT), "--library=gnu", *(str(ROOT / part) for part in OURS)])
    return one, [None]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tool", choices=["gcc", "clang", "clang-tidy", "cppcheck"])
    parser.add_argument("build", type=Path, help="a build directory, whose flags are taken")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    if not shutil.which(arguments.tool):
        print(f"SKIP: {arguments.tool} is not installed")
        return 77
    files = commands(arguments.build)
    if arguments.tool == "clang-tidy":
        one, work = tidied(files, arguments.quick, arguments.build)
    elif arguments.tool == "cppcheck":
        one, work = checked()
    else:
        one, work = compiled(arguments.tool, files, arguments.quick)
    with ThreadPoolExecutor(JOBS) as pool:
        said = [text for text in pool.map(one, work) if text]
    print("\n".join(said) or f"{arguments.tool}: {len(files)} files in the build, no findings")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
