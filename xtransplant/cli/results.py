"""The subcommands for results of runs; `app` registers them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xtransplant.calls import split
from xtransplant.errors import ConfigError, unknown
from xtransplant.files import write_whole

Folders = Annotated[
    list[Path], typer.Argument(metavar="OUT...", help="Folders of runs, or folders above them.")
]


def rescore(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a run, or of several.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="scorer=NAME[,NAME]",
            show_default=False,
            help="Scorers; the first gives answer and correct; default: the run's own.",
        ),
    ] = None,
) -> None:
    """Score stored texts again, without a GPU or the model.

    Replaces answer, correct and the two views; the verdicts of earlier scorers stay in OUT/scores.
    Scorers: see docs/scoring.md.
    """
    names = [name for setting in settings or [] for name in _scorer_names(setting)]
    from xtransplant.commands.rescore import rescore as rescore_runs
    from xtransplant.terminal import Console

    rescore_runs(out, names, Console())


def report(
    folders: Folders,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for tables and figures.")],
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="Write page.html, which holds every text.")
    ] = True,
    margin: Annotated[
        float,
        typer.Option(metavar="POINTS", help="Smaller differences count as none (equivalence)."),
    ] = 2.0,
) -> None:
    """Write tables and figures of finished runs.

    Tables (CSV, Markdown, LaTeX) and figures (PNG, PDF) cover all runs below the given folders,
    with 95 % intervals, tests and controls. Runs that cannot be compared are refused. Unfinished
    runs are left out and listed. Begin with report.md; docs/results.md explains each column.
    """
    if not 0 < margin < 100:
        raise ConfigError(f"--margin {margin:g}; allowed: more than 0 and less than 100 points")
    from xtransplant.reporting.report import write_report
    from xtransplant.terminal import Console, visible

    console = Console()
    with console.steps() as on_step:
        files: list[Path] = []

        def on_file(path: Path) -> None:
            files.append(path)
            on_step(f"wrote {path.name}", len(files), len(files))

        written = write_report(folders, out, on_file, margin=margin / 100, with_page=page)
    console.table(
        ("table", "rows", "what it says"),
        [(table.name, str(len(table.frame)), table.title) for table in written.tables],
    )
    for finding in written.findings:
        console.write(visible(finding))
    for remark in written.remarks:
        console.info(visible(remark))
    console.write(f"{len(files)} files: {out}")


def select(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of one experiment.")],
    strategy: Annotated[
        str,
        typer.Option(help="overall, target_first (target layer 0) or source_last (layer N-1)."),
    ] = "overall",
    pooled: Annotated[
        bool, typer.Option("--pooled", help="One pair for all languages, not one for each.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Output file; default: standard output.")
    ] = None,
) -> None:
    """Select the best pair of layers on one split, to measure it on another.

    The accuracy of the selected pair on the instances that selected it is optimistic. To measure it
    on other instances, give the file to xtransplant run: grid=pairs grid.file=FILE split=…
    """
    from xtransplant.analysis.selected_file import selected_yaml
    from xtransplant.terminal import Console

    text = selected_yaml(folder, strategy, pooled=pooled)
    if output is None:
        Console().write(text.rstrip("\n"))
        return
    write_whole(output, text.encode())
    Console().write(f"selected pairs: {output}")


def _scorer_names(setting: str) -> list[str]:
    key, equals, value = setting.partition("=")
    if not equals or key != "scorer":
        raise ConfigError(unknown("setting", setting, ["scorer=NAME", "scorer=NAME,NAME"]))
    return split(value)
