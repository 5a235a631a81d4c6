"""A few rows of each task, and settings for them: what tests of forgetting share."""
from lib.competencies import profiles, prompts, world
from lib.core.settings import load


def prompt_of(name, split, author):
    return {"id": name, "author": name, "split": split, "truth": world.truth(author),
            "messages": prompts.messages(author, "brief")}


SEEN, HELD_OUT = world.seen_domains(), list(world.lexicon()[1])
ROWS = [prompt_of(f"{split}-{i}", split, world.author(f"{split}-{i}", 3, place))
        for split, place in (("train", SEEN), ("test", SEEN), ("held_out", HELD_OUT))
        for i in range(6)]
TRAIN = [row for row in ROWS if row["split"] == "train"]
ANSWERS = [(row["messages"], profiles.render(row["truth"])) for row in TRAIN]


def small(**changes):
    """Settings of the smoke preset, with a few rows and other changes to the study."""
    _, settings = load("smoke")
    changes = {"train": 12, "test": 8, "profiles": 3, **changes}
    study = settings.generalisation.forgetting.model_copy(update=changes)
    studies = settings.generalisation.model_copy(update={"forgetting": study})
    return settings.model_copy(update={"generalisation": studies})
