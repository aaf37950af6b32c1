"""Markdown, read for what's to be tried in it."""

import re

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text, language):
    return [body.strip() for kind, body in FENCE.findall(text) if kind == language]


def commands(text):
    """Every call of gatewright: its words before the first option or argument, and its options."""
    lines = [line for body in blocks(text, "sh") for line in body.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`(gatewright [^`]+)`", FENCE.sub("", text))
    for line in lines:
        for call in re.split(r"\||;|&&", line):
            words = call.split()
            if words[:1] == ["gatewright"]:
                verbs = []
                for word in words[1:]:
                    if not re.fullmatch(r"[a-z][a-z-]*", word):
                        break
                    verbs.append(word)
                yield " ".join(verbs), re.findall(r"(?<=\s)--[a-z-]+", call)
