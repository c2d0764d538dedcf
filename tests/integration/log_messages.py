"""What the program can say in its log as a warning or an error, read from the sources."""

import re

from harness import ROOT

CALL = re.compile(r"\b(log_warning|log_error|LOG_AT)\(")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
# Modules log by their host: the line is then "a module says", and this is its text. Which files do so is checked, so that a
# new text is not overlooked.
MODULES = {
    "filters/wave_log.c": ["a wave of joins"],
    "filters/lua_library.c": ["lines of this script were left out"],
    "filters/modules/policy_list.c": ["the policy lists have more rules than `capacity`"],
    "filters/plugin_host.c": [],  # a plug-in's own words
}


def arguments(text, start):
    """Of the call whose parenthesis is at `start`: its arguments, split at the commas between them."""
    found, depth, index, begin = [], 0, start, start + 1
    while True:
        character = text[index]
        if character == '"':
            index = LITERAL.match(text, index).end() - 1
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                return found + [text[begin:index]]
        elif character == "," and depth == 1:
            found.append(text[begin:index])
            begin = index + 1
        index += 1


def texts(expression):
    """The texts that an expression may be: neighbouring literals are one, those beyond a `?` or `:` are others."""
    gaps = LITERAL.sub(lambda match: "\0" * len(match[0]), expression)
    found, last = [], None
    for match in LITERAL.finditer(expression):
        text = match[1].replace('\\"', '"')
        if last is not None and not gaps[last:match.start()].strip():
            found[-1] += text
        else:
            found.append(text)
        last = match.end()
    return found


def resolved(source, name, before):
    """What stands behind a macro or a constant, or what the callers of the function around `before` give for a parameter."""
    macro = re.search(rf"^#define {name}[ \t]+((?:.*\\\n)*.*)", source, re.MULTILINE)
    if macro:
        return texts(macro[1].replace("\\\n", "\n"))
    if constant := re.search(rf'\bchar \*?(?:const )?{name}(?:\[\])? = ((?:\s*"(?:[^"\\]|\\.)*")+);', source):
        return texts(constant[1])
    function = list(re.finditer(r"^[a-z][^;{}()]*?\b(\w+)\(([^;{}]*?)\)\n\{", source[:before], re.MULTILINE))[-1]
    place = [parameter.split()[-1].lstrip("*") for parameter in function[2].split(",")].index(name)
    found = []
    for call in re.finditer(rf"\b{function[1]}\(", source):
        if call.start() > function.end():
            found += texts(arguments(source, call.end() - 1)[place])
    return found


def messages():
    """{text: (level, place)}; the level is the highest with which it is told, where it depends."""
    found = {}
    for path in sorted([*ROOT.glob("engine/*.c"), *ROOT.glob("base/*.c"), *ROOT.glob("replication/*.c")]):
        source = path.read_text()
        for call in CALL.finditer(source):
            said = arguments(source, call.end() - 1)
            level = {"log_warning": "warning", "log_error": "error"}.get(call[1], "warning")
            message = said[1 if call[1] == "LOG_AT" else 0].strip()
            if call[1] == "LOG_AT" and "LOG_DEBUG" in said[0]:
                continue  # never above info
            words = texts(message) or resolved(source, message, call.start())
            if not words:
                raise AssertionError(f"{path}: what does {call[0]}{message} say?")
            place = f"{path.relative_to(ROOT)}:{source[:call.start()].count(chr(10)) + 1}"
            for word in words:
                if found.get(word, ("warning",))[0] != "error":
                    found[word] = (level, place)
    return found


def modules_that_log():
    return {str(path.relative_to(ROOT)) for path in [*ROOT.glob("filters/*.c"), *ROOT.glob("filters/modules/*.c")]
            if re.search(r"(->|\.)log\(", path.read_text())}
