"""Competency profiles: one strict grammar to write, one lenient reader for what language models write.

A profile is a plain dict, {"domain": str, "competencies": [{"name": str, "description": str}, ...]}.
The grammar, which is all that `render` writes and `conforms` accepts:

    profile     = "Domain: " domain NL NL "Competencies:" { NL "- " name ": " description }
    domain      = text of one line, not wrapped in quotes
    name        = text of one line, without ": "
    description = text of one line: one or two sentences
"""
import json
import re

MINIMUM, MAXIMUM = 3, 8  # competencies that a complete profile has

BULLET = re.compile(r"^(\s*)(?:[-+‣–—]\s+|[•◦▪]\s*|\*(?!\*)\s*|\(?\d{1,3}[.)]\s+)(?=\S)(.*)$")
DOMAIN = re.compile(r"^\W{0,4}domain\W{0,3}[:：](.*)$", re.IGNORECASE)
HEADING = re.compile(r"^\W{0,4}(?:\w+ ){0,2}competenc(?:ies|y|es)\W{0,4}$", re.IGNORECASE)
BOLD = re.compile(r"^(?:\*\*|__)(.+?)(?:\*\*|__)(.*)$")
SEPARATORS = (": ", "：", " – ", " — ", " - ", ":")
WRAPPERS = "\"'“”„‘’«»`*_ "
EDGES = ":：–—*_ "


def render(profile):
    """The profile in the strict grammar; fields are made `canonical` first."""
    profile = canonical(profile)
    lines = [f"Domain: {profile['domain']}".strip(), "", "Competencies:"]
    lines += [f"- {c['name']}: {c['description']}".strip() for c in profile["competencies"]]
    return "\n".join(lines)


def canonical(profile):
    """The profile with every field as the grammar can hold it: one line, no wrapping quotes, no ": " in a name.

    `parse(render(p)) == canonical(p)` for every p with a competency, and `canonical` changes nothing twice.
    """
    return {"domain": _clean(profile["domain"]), "competencies": [
        {"name": _name(c["name"]), "description": _description(c["description"])}
        for c in profile["competencies"] if _name(c["name"])]}


def parse(text):
    """Read a profile out of anything that resembles one; None when no competency is found.

    Understands the grammar, JSON (bare or fenced), bullets and numbers of any kind, bold and quoted names, descriptions
    that wrap over lines, short names ("C", "NLP"), a preamble before and chatter after the list. Counts outside 3 to 8
    and duplicates are kept: `problems` names them.
    """
    if not isinstance(text, str):
        return None
    profile = _parse_json(text) or _parse_list(text)
    return profile if profile and profile["competencies"] else None


def problems(profile):
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


def conforms(text):
    """True when a text is exactly what `render` would write, and the profile is complete."""
    profile = parse(text)
    return profile is not None and not problems(profile) and render(profile) == text.strip()


def is_profile(value):
    """True when a decoded JSON value has the shape of a profile."""
    return (isinstance(value, dict) and isinstance(value.get("domain"), str)
            and isinstance(value.get("competencies"), list)
            and all(isinstance(c, dict) and isinstance(c.get("name"), str) and isinstance(c.get("description"), str)
                    for c in value["competencies"]))


def _parse_list(text):
    """The grammar and its relatives, line by line."""
    domain, items = None, []
    margin, wraps = 0, False  # the first bullet's indent; whether the next plain line continues the last item
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
    return canonical({"domain": domain or "", "competencies": [_split(*item) for item in items]})


def _split(head, *wrapped):
    """The name and the description in one list item, given its lines."""
    head, rest = head.strip(), " ".join(wrapped)
    if head.endswith((":", "：")):
        return {"name": head[:-1], "description": rest}
    if match := BOLD.match(head):
        return {"name": match.group(1), "description": f"{match.group(2)} {rest}".strip(" -–—:")}
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


def _clean(text):
    return _line(text).strip(WRAPPERS)


def _name(text):
    """A name without wrapping marks; its inner ": " gives way, because it would end the name."""
    text = _line(text)
    while (stripped := text.strip(WRAPPERS).strip(EDGES)) != text:
        text = stripped
    return text.replace(": ", " ").replace("：", " ").replace("  ", " ")


def _description(text):
    return _line(text).strip(EDGES)
