"""Files of sentiment sets, and what was read out of them."""


def write(path, content):
    """A file with a text or bytes, and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def pairs(rows):
    """(text, label) of each row."""
    return [(row["text"], row["label"]) for row in rows]
