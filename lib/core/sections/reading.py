"""What a profile is written from, and how longer documents are read."""
from typing import Literal

from pydantic import Field

from lib.core.sections.section import Count, Section, Share


class Trial(Section):
    """How much page 13 of the real study reads: papers and advertisements, and of each a part."""
    papers_path: str
    papers: int = Field(ge=2)
    advertisements_path: str
    advertisements: int = Field(ge=2)
    chunks: int = Field(ge=1)


class Reading(Section):
    """Which part of a document is read, as what, and in chunks of what size."""
    extraction: Literal["abstracts", "summaries", "full_text"]
    document: Literal["paper", "job_ad", "report", "mail"]
    personal: Literal["kept", "left_out"]
    chunk_tokens: int = Field(ge=32)
    chunks: int = Count
    same: float = Share
    summary_tokens: int = Field(ge=16)
    trial: Trial
