"""Constraints mined from source code: what a code base already does, as rules that generated code can be held to.

Nothing is imported or executed; a file is text and a syntax tree. Every constraint carries its evidence.
"""

from functions.constraints.extraction.archives import ArchiveRefused, source_files_of_archive
from functions.constraints.extraction.mining import Extraction, extract
from functions.constraints.extraction.sources import Limits, SkippedFile, SourceFile

__all__ = ["ArchiveRefused", "Extraction", "Limits", "SkippedFile", "SourceFile", "extract", "source_files_of_archive"]
