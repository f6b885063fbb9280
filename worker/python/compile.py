"""compile.py HANDLER OUTPUT: compiles the modules below the working folder to one object.

It runs in the compiler's jail. HANDLER is "module.name", or "-" for one file whose handler has one
of the usual names. Nothing of the sources is executed. Errors are printed as compilers do:
FILE:LINE:COLUMN: error: TEXT, with the line; then the exit status is 1 and there is no object.

The object: a first line that names it; 8 bytes, little-endian, the length of the index; the index,
marshalled: the handler, by path offset and length of a code object, and the interpreter's mark of its
bytecode; the code objects, marshalled. Offsets count from the end of the index.
"""

import marshal
import os
import sys
import warnings
from importlib.util import MAGIC_NUMBER

FIRST_LINE = b"#!hearth-python 1\n"  # common/python_paths.h
ROOT = "/function/"  # where instances have the files
ONE_FILE = "function.py"


def say(path, line, column, severity, text):
    place = f"{path}:{max(line or 0, 0)}" + (f":{column}" if column and column > 0 else "")
    print(f"./{place}: {severity}: " + " ".join(str(text).split()))


def show(line, text, column):
    """The line, and below it where in it."""
    text = text.rstrip("\n").expandtabs(1)
    if line and text and len(text) < 300:
        print(f"{line:5} | {text}")
        print(f"      | {' ' * max((column or 1) - 1, 0)}^")


def packaged():
    """Files that pip installed. Some are never imported, and not meant to compile."""
    files = set()
    for folder, _, names in os.walk("."):
        if folder.endswith(".dist-info") and "RECORD" in names:
            above = os.path.dirname(folder)
            with open(os.path.join(folder, "RECORD"), encoding="utf-8", errors="replace") as record:
                for line in record:
                    name = line.rsplit(",", 2)[0].strip('"')
                    files.add(os.path.normpath(os.path.join(above, name)))
    return files


def sources():
    for folder, folders, names in os.walk("."):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".py"):
                yield os.path.normpath(os.path.join(folder, name))


def compile_one(path, severity):
    """The code, or None and the reason is said."""
    with open(path, "rb") as file:
        source = file.read()
    try:
        return compile(source, ROOT + path, "exec", dont_inherit=True)
    except SyntaxError as e:
        say(path, e.lineno, e.offset, severity, f"{type(e).__name__}: {e.msg}")
        show(e.lineno, e.text or "", e.offset)
    except (ValueError, RecursionError, MemoryError, OverflowError) as e:
        say(path, 1, 1, severity, f"{type(e).__name__}: {e}")
    return None


def show_warning(message, category, filename, lineno, file=None, line=None):
    say(filename.removeprefix(ROOT), lineno, None, "warning", f"{category.__name__}: {message}")


def find_module(handler, paths):
    """Whether the bundle has the handler's module."""
    path = handler.rpartition(".")[0].replace(".", "/")
    return any(p in (path + ".py", path + "/__init__.py") for p in paths)


def main(handler, output):
    warnings.showwarning = show_warning
    warnings.simplefilter("always", SyntaxWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    from_pip = packaged()
    code, failed = {}, False
    for path in sources():
        one = compile_one(path, "warning" if path in from_pip else "error")
        if one is not None:
            code[path] = marshal.dumps(one)
        elif path not in from_pip:
            failed = True
    if not failed and handler != "-" and not find_module(handler, code):
        module = handler.rpartition(".")[0]
        say("function.json", None, None, "error",
            f"the handler is {handler}, and the bundle has no module {module}")
        failed = True
    if failed:
        return 1
    index, offset = {}, 0
    for path, data in code.items():
        index[path] = (offset, len(data))
        offset += len(data)
    head = marshal.dumps((handler, index, MAGIC_NUMBER))
    with open(output, "wb") as file:
        file.write(FIRST_LINE + len(head).to_bytes(8, "little") + head)
        for data in code.values():
            file.write(data)
    return 0


sys.exit(main(*sys.argv[1:]))
