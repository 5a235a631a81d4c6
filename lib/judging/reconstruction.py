"""A judge that asks how much a profile tells of its text, by a language model's surprise at it."""
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tqdm import tqdm

from lib.competencies.profiles import render
from lib.core.records import Journal, digest
from lib.core.rows import Message, Profile, Prompt
from lib.judging.judges import WORST, Scoring
from lib.judging.texts import text_of
from lib.metrics.competencies import names_in
from lib.models import identity, scoring
from lib.models.chats import encode_chats, encode_ended

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

REQUEST = "Write the abstract of a paper by an author with this competency profile."
NO_PROFILE = "(none)"
LOGITS = 50_000_000  # numbers in memory at once, of which there are two copies: 400 MB in float32
Reading = tuple[str, str]  # prompt id, and the profile in the grammar, or NO_PROFILE
Row = tuple[Reading, list[int], list[int]]  # its token ids: the request, the text


class ReconstructionJudge(Scoring):
    """By how much a profile raises the log-probability of its text, per token of the text.

    score = (log p(text | profile) - log p(text | no profile)) / tokens, in nats. Long and false
    profiles gain nothing by what the text does not say. The information difference of Egan,
    Vasilyev and Bohannon 2022, "Play the Shannon Game With Language Models", with a profile for
    the summary.
    """

    family = "language model"

    def __init__(self, name: str, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase",
                 prompts: Iterable[Prompt], journal: Journal | None = None,
                 tie_margin: float = 0.0):
        """journal: what was read before an interruption is not read again."""
        self.name, self.tie_margin = name, tie_margin
        self.model, self.tokenizer, self.journal = model, tokenizer, journal
        self.made_by = [identity.of_model(model, tokenizer), REQUEST]
        self.texts = {prompt["id"]: text_of(prompt) for prompt in prompts}
        ended = encode_ended(tokenizer, list(self.texts.values()))
        self.tokens: dict[str, list[int]] = dict(zip(self.texts, ended))
        self.sums: dict[Reading, float] = {}  # log-probabilities of whole texts

    def prepare(self, items: Iterable[tuple[str, Profile | None]]) -> None:
        """Read all texts with all profiles, in batches of about one length."""
        todo: dict[Reading, None] = {}
        for key, profile in items:
            if key in self.texts and profile and names_in(profile):
                todo |= {(key, NO_PROFILE): None, (key, render(profile)): None}
        keys = {reading: self.key(reading) for reading in todo if reading not in self.sums}
        if self.journal is not None:
            kept = {reading: key for reading, key in keys.items() if key in self.journal}
            self.sums |= {reading: self.journal[key] for reading, key in kept.items()}
        unread = [reading for reading in keys if reading not in self.sums]
        if not unread:
            return
        chats = encode_chats(self.tokenizer, [self.chat(profile) for _, profile in unread])
        rows = [(reading, chat, self.tokens[reading[0]]) for reading, chat in zip(unread, chats)]
        rows.sort(key=lambda row: len(row[1]) + len(row[2]), reverse=True)  # the worst fit first
        with tqdm(total=len(rows), desc=f"{self.name} reads", unit="text") as bar:
            for batch in self.batches(rows):
                found, contexts, texts = zip(*batch)
                sums = scoring.log_likelihood(self.model, list(contexts), list(texts))
                self.sums.update(zip(found, sums))
                if self.journal is not None:
                    self.journal.add(zip([keys[reading] for reading in found], sums))
                bar.update(len(batch))

    def batches(self, rows: Iterable[Row]) -> Iterator[list[Row]]:
        """Rows in their order, as many at once as their logits may take."""
        positions, longest = LOGITS // self.model.config.vocab_size, 0
        batch: list[Row] = []
        for row in rows:
            longest = max(longest, len(row[2]) + 1)
            if batch and longest * (len(batch) + 1) > positions:
                yield batch
                batch, longest = [], len(row[2]) + 1
            batch.append(row)
        if batch:
            yield batch

    def chat(self, profile: str) -> list[Message]:
        return [{"role": "system", "content": REQUEST}, {"role": "user", "content": profile}]

    def key(self, reading: Reading) -> str:
        """Made of everything that decides the log-probability."""
        return digest([*self.made_by, self.texts[reading[0]], reading[1]])

    def score(self, prompt_id: str, profile: Profile | None) -> float | None:
        if prompt_id not in self.texts:
            return None
        if profile is None or not names_in(profile):
            return WORST
        reading = prompt_id, render(profile)
        if reading not in self.sums:
            self.prepare([(prompt_id, profile)])
        gain = self.sums[reading] - self.sums[prompt_id, NO_PROFILE]
        return gain / len(self.tokens[prompt_id])
