"""Computing and writing the two views of a run, `instances.parquet` and `pairs.parquet`."""

from __future__ import annotations

from xtransplant.analysis.aggregate import INPUT, instances_frame, pairs_frame, summarise
from xtransplant.analysis.cut_off import with_cut_off
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.view_files import write_views
from xtransplant.types import LanguageSummary


def aggregate_run(folder: RunFolder) -> list[LanguageSummary]:
    """Write `instances.parquet` and `pairs.parquet` over all complete languages.

    Returns:
        A summary of each language.

    Raises:
        OutputError: a part cannot be read or belongs to another key, rows do not form a grid, or a
            file cannot be written.
    """
    languages = folder.complete_languages()
    generations = folder.read_generations(languages, [*INPUT, "finish"])
    golds = {
        (instance.language, instance.id): instance.gold
        for instance in folder.read_instances(languages)
    }
    instances, pairs = instances_frame(generations, golds), pairs_frame(generations)
    write_views(folder, instances, pairs)
    return with_cut_off(summarise(instances, pairs), generations)
