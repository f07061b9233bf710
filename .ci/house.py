#!/usr/bin/env python3
"""Counts what makes a tree of Rust crates hard to change: `.ci/house.py [CHECKOUT]`.

In production code (neither tests nor benches): files that name an axis, a score and a trial's state; circles of
imports between files; functions of more than 80 lines. A parent module (`mod.rs`, `lib.rs`, `main.rs`, `x.rs`
beside `x/`) only gathers its children, so that arrows to and from it are no circle.
"""

import re
import sys
from pathlib import Path

STATES = ["waiting", "leased", "parked", "finished", "failed", "stopped", "cancelled"]
LONG = 80


def without_comments(text):
    return re.sub(r"(?m)//.*$", "", text)


def production(text):
    """The text without its test modules and the items that only tests have."""
    out, lines, i = [], text.split("\n"), 0
    while i < len(lines):
        if re.match(r"\s*#\[cfg\((test|all\(test.*)\)\]", lines[i]):
            indent = len(lines[i]) - len(lines[i].lstrip())
            i += 1
            while re.match(r"\s*#\[", lines[i]):
                i += 1
            if not lines[i].rstrip().endswith((";", "}")):
                while not re.match(" " * indent + r"[})\]]+;?$", lines[i]):
                    i += 1
            i += 1
            continue
        out.append(lines[i])
        i += 1
    return "\n".join(out)


def crates(root):
    for manifest in sorted(root.glob("*/Cargo.toml")) + [root / "Cargo.toml"]:
        source = manifest.parent / "src"
        if source.is_dir() and "[package]" in manifest.read_text():
            yield manifest.parent.name if manifest.parent != root else "nrp", source


def sources(source):
    """Module path -> (file, production text), for one crate; files of tests alone are left out."""
    modules, tests = {}, set()
    for file in sorted(source.rglob("*.rs")):
        parts = list(file.relative_to(source).with_suffix("").parts)
        if parts[-1] in ("mod", "lib", "main"):
            parts.pop()
        text = file.read_text()
        for match in re.finditer(r"#\[cfg\((?:test|all\(test[^\n]*)\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([a-z]+\))? )?mod (\w+);", text):
            tests.add((*parts, match.group(1)))
        modules[tuple(parts)] = (file, production(text))
    return {
        path: entry
        for path, entry in modules.items()
        if not any(path[: len(test)] == test for test in tests)
    }


def used_paths(text):
    """Every `crate::…`, `super::…` and `self::…` path, with braces spread out."""
    for match in re.finditer(r"\b(crate|super|self)::", text):
        yield from spread(text, match.start())


def spread(text, start):
    match = re.compile(r"(?:\w+::)*\w*").match(text, start)
    head, end = match.group(0), match.end()
    if head.endswith("::") and text[end : end + 1] == "{":
        depth, item, i = 0, "", end
        while i < len(text):
            c = text[i]
            if c == "{":
                depth += 1
                item += c if depth > 1 else ""
            elif c == "}":
                depth -= 1
                if depth == 0:
                    break
                item += c
            elif c == "," and depth == 1:
                yield from ((head + p) for p in spread(item.strip(), 0)) if item.strip() else ()
                item = ""
            else:
                item += c
            i += 1
        if item.strip():
            yield from ((head + p) for p in spread(item.strip(), 0))
    else:
        yield head


def arrows(modules, rooms=False):
    """What each file, or each room (a child of the crate's root, with all in it), uses."""
    parents = {()} if rooms else {path[:-1] for path in modules if path}
    shown = (lambda path: path[:1]) if rooms else (lambda path: path)
    edges = {}
    for path, (_, text) in modules.items():
        for used in used_paths(without_comments(text)):
            words = used.split("::")
            if words[0] == "crate":
                base, words = (), words[1:]
            else:
                base = path
                while words and words[0] in ("self", "super"):
                    base = base[:-1] if words[0] == "super" else base
                    words = words[1:]
            target = base
            for word in words:
                if (*target, word) not in modules:
                    break
                target = (*target, word)
            here, there = shown(path), shown(target)
            if here != there and here not in parents and there not in parents:
                edges.setdefault(here, set()).add(there)
    return edges


def circles(edges):
    """Strongly connected components of more than one node (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in edges.get(v, ()):
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in stack:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            component = []
            while True:
                w = stack.pop()
                component.append("/".join(w))
                if w == v:
                    break
            if len(component) > 1:
                found.append(sorted(component))

    sys.setrecursionlimit(10_000)
    for node in list(edges):
        if node not in index:
            visit(node)
    return found


def functions(text):
    """(name, lines) of each function: from `fn` to the brace at its indentation."""
    lines = text.split("\n")
    for i, line in enumerate(lines):
        match = re.match(r"( *)(?:pub(?:\([a-z ]+\))? )?(?:const |async |unsafe )*fn (\w+)", line)
        if match:
            for j in range(i, len(lines)):
                if lines[j].startswith(match.group(1) + "}") or (lines[j].rstrip().endswith(";") and j == i):
                    yield match.group(2), j - i + 1
                    break


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent)
    texts, knots, rooms, long = {}, [], [], []
    for crate, source in crates(root):
        modules = sources(source)
        knots += [f"{crate}: {', '.join(circle)}" for circle in circles(arrows(modules))]
        rooms += [f"{crate}: {', '.join(circle)}" for circle in circles(arrows(modules, rooms=True))]
        for file, text in modules.values():
            name = file.relative_to(root)
            texts[name] = without_comments(text)
            long += [f"{name} {function} {n}" for function, n in functions(text) if n > LONG]
    for file in root.glob("proto/**/*.proto"):
        texts[file.relative_to(root)] = without_comments(file.read_text())

    def naming(pattern):
        return sorted(str(name) for name, text in texts.items() if re.search(pattern, text))

    # Not `LinearPath` alone: that is also the type of the thing itself.
    axis = naming(r"\blinear_path\b|Axis::LinearPath\b")
    score = naming(r"\bsplit_half_consistency\b|Score::SplitHalfConsistency\b")
    words = "|".join(STATES)
    state = {
        name: sum(1 for line in text.split("\n") if re.search(f'"({words})"', line)) for name, text in texts.items()
    }
    state = {str(name): n for name, n in state.items() if n}
    print(f"files that name the axis linear_path: {len(axis)}\n  " + "\n  ".join(axis))
    print(f"files that name the score split_half_consistency: {len(score)}\n  " + "\n  ".join(score))
    print(f"files with a trial's state as a string: {len(state)}, lines: {sum(state.values())}")
    print("  " + "\n  ".join(f"{name} {n}" for name, n in sorted(state.items())))
    print(f"circles of imports between files: {len(knots)}\n  " + "\n  ".join(knots))
    print(f"circles of imports between rooms: {len(rooms)}\n  " + "\n  ".join(rooms))
    print(f"functions over {LONG} lines: {len(long)}\n  " + "\n  ".join(sorted(long)))


if __name__ == "__main__":
    main()
