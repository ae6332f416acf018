"""Which variables a cell keeps, read from its text: statements `let` that stand in no block."""

import re

# What hides braces, `;` and `let`: comments, strings, characters.
HIDDEN = re.compile(r"""//[^\n]*|/\*.*?\*/|b?r(\#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\])'""", re.DOTALL)
LET = re.compile(r"let\b")
NAME = re.compile(r"\b(?:(mut)\s+)?([a-z_]\w*)\b(?!\s*(?:\(|::|\{|!))")
# What evcxr finds the type of without knowing any crate.
LITERAL = re.compile(r"""\s*(?:-?\d[\d_]*(?:\.\d[\d_]*)?(?:_?[iuf](?:8|16|32|64|128|size))?|true|false)\s*$""")

WRITE = "write the type of "


def blanked(code):
    """The code with what hides brackets replaced by blanks, of the same length."""
    return HIDDEN.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), code)


class Let:
    """One statement: where it begins and ends, its names, and whether its type is written."""

    def __init__(self, begin, end, pattern, names, is_typed):
        self.begin, self.end, self.pattern, self.names, self.is_typed = begin, end, pattern, names, is_typed


def lets(code):
    """The `let` statements of a cell that stand in no block, in order."""
    plain, depth, found, at = blanked(code), 0, [], 0
    while at < len(plain):
        letter = plain[at]
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif depth == 0 and letter == "l" and LET.match(plain, at) and begins_a_statement(plain, at):
            statement = read_let(plain, at)
            found.append(statement)
            at = statement.end
            continue
        at += 1
    return found


def begins_a_statement(plain, at):
    before = plain[:at].rstrip()
    return not before or before[-1] in ";}" or "\n" in plain[len(before):at]


def read_let(plain, begin):
    """The statement that begins here, up to its `;`."""
    depth, colon, equals, at = 0, None, None, begin + 3
    while at < len(plain):
        letter, pair = plain[at], plain[at:at + 2]
        if pair in ("::", "->", "=>", "==", "<=", ">=", "!=", ".."):
            at += 2
            continue
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif depth == 0 and letter == ";":
            break
        elif depth == 0 and letter == ":" and equals is None and colon is None:
            colon = at
        elif depth == 0 and letter == "=" and equals is None:
            equals = at
        at += 1
    pattern = plain[begin + 3:colon or equals or at]
    names = [(bool(mut), name) for mut, name in NAME.findall(pattern) if name not in ("mut", "ref", "_")]
    is_literal = equals is not None and LITERAL.match(plain[equals + 1:at])
    return Let(begin, min(at + 1, len(plain)), pattern, names, colon is not None or bool(is_literal))


def untyped(code):
    """The statements whose type is not written."""
    return [statement for statement in lets(code) if not statement.is_typed and statement.names]


def names(code):
    """The names of all variables that a cell keeps."""
    return [name for statement in lets(code) for _, name in statement.names]


def with_types(code, types):
    """The code with each variable bound again under its type: `let x = f(); let x: T = x;`."""
    for statement in reversed(untyped(code)):
        again = "".join(f" let {'mut ' if mut else ''}{name}: {types[name]} = {name};" for mut, name in statement.names)
        code = code[:statement.end] + again + code[statement.end:]
    return code


def checked(code, names):
    """The code so that it is compiled and never run, with an error that asks for the types of these variables."""
    missing = ", ".join(f"`{name}`" for name in names)
    return f'if false {{ {code}\n}}\nstd::compile_error!("{WRITE}{missing}: let {names[0]}: T = …");'
