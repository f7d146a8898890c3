"""Make the tables in xtransplant/assets/languages; needs `pip install urielplus==1.3.2`.

Distances are URIEL+'s featural ones (Khan et al. 2025, arXiv 2409.18472; data CC BY-SA 4.0),
resource classes those of Joshi et al. 2020 (arXiv 2004.09095), 0 for the least to 5.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

from urielplus import urielplus

FOLDER = Path(__file__).parents[1] / "xtransplant" / "assets" / "languages"
CLASSES = {
    5: "ar:arb de:deu en:eng es:spa fr:fra ja:jpn zh:cmn",
    4: """cs:ces fa:pes fi:fin hi:hin hu:hun it:ita ko:kor nl:nld pl:pol pt:por ru:rus sr:srp
        sv:swe tr:tur vi:vie""",
    3: """bg:bul bn:ben da:dan el:ell et:est fil:tgl he:heb id:ind lt:lit ms:msa ro:ron ta:tam
        th:tha tl:tgl uk:ukr ur:urd uz:uzb""",
    2: "am:amh ha:hau ht:hat mr:mar pa:pan sw:swh yo:yor",
    1: """gu:guj ig:ibo jv:jav km:khm kn:kan ky:kir ln:lin mg:mlg ml:mal my:mya ne:nep no:nob
        ny:nya om:orm or:ori ps:pus qu:que sd:snd so:som su:sun te:tel""",
    0: "si:sin sn:sna",
}
"""By class: a code as tasks use it, and the ISO 639-3 code under which URIEL+ knows most."""


def main() -> None:
    languages = sorted(
        (code, iso, resource)
        for resource, names in CLASSES.items()
        for code, iso in (name.split(":") for name in names.split())
    )
    _write("languages.csv", ["language", "iso639_3", "resource_class"], languages)
    codes = sorted({iso for _, iso, _ in languages})
    matrix = urielplus.URIELPlus().new_distance("featural", codes)
    place = {iso: number for number, iso in enumerate(codes)}
    pairs = [
        (one, other, round(float(matrix[place[iso]][place[other_iso]]), 3))
        for number, (one, iso, _) in enumerate(languages)
        for other, other_iso, _ in languages[number + 1 :]
    ]
    _write("distances.csv", ["language", "other", "distance"], pairs)


def _write(name: str, heading: list[str], rows: Iterable[tuple[object, ...]]) -> None:
    with (FOLDER / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heading)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
