"""Competency profiles: a strict grammar to write, a lenient reader for what language models write.

A profile is a plain dict, see `Profile`. The grammar is all that `render` writes and `conforms`
accepts:

    profile     = "Domain: " domain NL NL "Competencies:" { NL "- " name ": " description }
    domain      = text of one line, not wrapped in quotes, not beginning with a colon
    name        = text of one line, not wrapped in quotes, no word of it ending in a colon
    description = text of one line: one or two sentences
"""
import json
import re
from typing import Any

from lib.core.rows import Competency, Profile

MINIMUM, MAXIMUM = 3, 8  # competencies that a complete profile has

BULLET = re.compile(
    r"^(\s*)(?:[-+‣–—]\s+|[•◦▪]\s*|\*(?!\*)\s*|\(?\d{1,3}[.)]\s+)(?=\S)(.*)$")
# The first colon ends the word (`?`): a later one belongs to the domain.
DOMAIN = re.compile(r"^\W{0,4}domain\W{0,3}?[:：](.*)$", re.IGNORECASE)
HEADING = re.compile(r"^\W{0,4}(?:\w+ ){0,2}competenc(?:ies|y|es)\W{0,4}$", re.IGNORECASE)
BOLD = re.compile(r"^(?:\*\*|__)(.+?)(?:\*\*|__)(.*)$")
SEPARATORS = (": ", "：", " – ", " — ", " - ", ":")
WRAPPERS = "\"'“”„‘’«»`*_ "
EDGES = ":：–—*_ "


def render(profile: Profile) -> str:
    """The profile in the strict grammar; fields are made `canonical` first."""
    profile = canonical(profile)
    lines = [f"Domain: {profile['domain']}".strip(), "", "Competencies:"]
    lines += [f"- {c['name']}: {c['description']}".strip() for c in profile["competencies"]]
    return "\n".join(lines)


def as_json(profile: Profile) -> str:
    """The profile as one line of JSON; fields are made `canonical` first."""
    return json.dumps(canonical(profile), ensure_ascii=False)


def canonical(profile: Profile) -> Profile:
    """The profile with every field as the grammar can hold it; a competency without a name goes.

    `parse(render(p)) == canonical(p)` for every p that keeps a competency, and `canonical` changes
    nothing twice.
    """
    competencies = []
    for given in profile["competencies"]:
        if name := _name(given["name"]):
            description = _line(given["description"]).strip(EDGES)
            competencies.append(Competency(name=name, description=description))
    return Profile(domain=_domain(profile["domain"]), competencies=competencies)


def parse(text: str | None) -> Profile | None:
    """Read a profile out of anything that resembles one; None when no competency is found.

    Understands the grammar, JSON (bare or fenced), bullets and numbers of any kind, bold and quoted
    names, descriptions that wrap over lines, short names ("C", "NLP"), a preamble before the list
    and chatter after it. Counts outside 3 to 8 and duplicates are kept: `problems` names them.
    """
    if not isinstance(text, str):
        return None
    profile, listed = _parse_json(text), _parse_list(text)
    if profile is None or render(listed) == text.strip():  # in the grammar, JSON is part of a field
        profile = listed
    return profile if profile["competencies"] else None


def problems(profile: Profile) -> list[str]:
    """What a parsed profile lacks, as a list of short phrases; empty when it is complete."""
    count = len(profile["competencies"])
    names = [c["name"].casefold() for c in profile["competencies"]]
    checks = {
        "no domain": not profile["domain"],
        "too few competencies": count < MINIMUM,
        "too many competencies": count > MAXIMUM,
        "duplicate competencies": len(set(names)) < count,
        "missing description": not all(c["description"] for c in profile["competencies"]),
    }
    return [name for name, found in checks.items() if found]


def conforms(text: str) -> bool:
    """True when a text is exactly what `render` would write, and the profile is complete."""
    profile = parse(text)
    return profile is not None and not problems(profile) and render(profile) == text.strip()


def conforms_json(text: str) -> bool:
    """True when a text is a complete profile as JSON and nothing else, however it is spaced."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return is_profile(value) and not problems(canonical(value))


def is_profile(value: Any) -> bool:
    """True when a decoded JSON value has the shape of a profile."""
    items = value.get("competencies") if isinstance(value, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return False
    fields = [item.get(key) for item in items for key in ("name", "description")]
    return all(isinstance(field, str) for field in [value.get("domain"), *fields])


def _parse_list(text):
    """The grammar and its relatives, line by line."""
    domain, items = None, []
    margin = 0  # the first bullet's indent
    wraps = False  # whether the next plain line continues the last item
    for line in text.splitlines():
        bullet = BULLET.match(line)
        if domain is None and not items and (match := DOMAIN.match(line)):
            domain = match.group(1)
        elif bullet and not (items and len(bullet.group(1)) > margin + 1):
            margin = margin if items else len(bullet.group(1))
            items.append([bullet.group(2)])
            wraps = True
        elif not line.strip() or HEADING.match(line):
            wraps = False
        elif items and (wraps or line[:1] in " \t"):
            items[-1].append(bullet.group(2) if bullet else line)
    return canonical(Profile(domain=domain or "", competencies=[_split(*item) for item in items]))


def _split(head, *wrapped):
    """The name and the description in one list item, given its lines."""
    head, rest = head.strip(), " ".join(wrapped)
    if head.endswith((":", "：")):
        return {"name": head[:-1], "description": rest}
    if match := BOLD.match(head):
        name, description = match.groups()
        return {"name": name, "description": f"{description} {rest}".strip(" -–—:")}
    for mark in SEPARATORS:
        name, found, description = head.partition(mark)
        if found:
            return {"name": name, "description": f"{description} {rest}"}
    return {"name": head, "description": rest}


def _parse_json(text):
    """The first profile in the text that is written as JSON: bare, fenced, or between words."""
    for start in [match.start() for match in re.finditer(r"\{", text)][:20]:
        try:
            value, _ = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if is_profile(value):
            return canonical(value)
    return None


def _line(text):
    return " ".join(text.split())


def _domain(text):
    """A domain without wrapping marks, and without colons before it: they would be the label's."""
    return _line(text).lstrip(WRAPPERS + ":：").rstrip(WRAPPERS)


def _name(text):
    """A name without wrapping marks; no word keeps a colon at its end, which would end the name."""
    text = _line(text).strip(WRAPPERS + EDGES)
    words = [word.rstrip(":") for word in text.replace("：", " ").split()]
    return " ".join(word for word in words if word)
