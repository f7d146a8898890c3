"""Make the tables in xtransplant/assets/languages; needs `pip install urielplus==1.3.2`.

Distances are featural distances in URIEL+ (Khan et al. 2025, arXiv 2409.18472; data CC BY-SA 4.0).
Resource classes are those of Joshi et al. 2020 (arXiv 2004.09095), from 0 (least data) to 5.
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
"""By class: code in tasks, and the ISO 639-3 code for which URIEL+ has most data."""

FAMILIES = {
    "Afro-Asiatic": "am ar ha he om so",
    "Austroasiatic": "km vi",
    "Austronesian": "fil id jv mg ms su tl",
    "Dravidian": "kn ml ta te",
    "Indo-European": "bg bn cs da de el en es fa fr gu hi ht it lt mr ne nl no or "
    "pa pl ps pt ro ru sd si sr sv uk ur",
    "Japonic": "ja",
    "Koreanic": "ko",
    "Niger-Congo": "ig ln ny sn sw yo",
    "Quechuan": "qu",
    "Sino-Tibetan": "my zh",
    "Tai-Kadai": "th",
    "Turkic": "ky tr uz",
    "Uralic": "et fi hu",
}
"""Language families, the largest groups of Glottolog 5 (creole Haitian: that of its words)."""


def main() -> None:
    family = {code: name for name, codes in FAMILIES.items() for code in codes.split()}
    languages = sorted(
        (code, iso, resource, family[code])
        for resource, names in CLASSES.items()
        for code, iso in (name.split(":") for name in names.split())
    )
    _write("languages.csv", ["language", "iso639_3", "resource_class", "family"], languages)
    codes = sorted({iso for _, iso, _, _ in languages})
    matrix = urielplus.URIELPlus().new_distance("featural", codes)
    place = {iso: number for number, iso in enumerate(codes)}
    pairs = [
        (one, other, round(float(matrix[place[iso]][place[other_iso]]), 3))
        for number, (one, iso, _, _) in enumerate(languages)
        for other, other_iso, _, _ in languages[number + 1 :]
    ]
    _write("distances.csv", ["language", "other", "distance"], pairs)


def _write(name: str, heading: list[str], rows: Iterable[tuple[object, ...]]) -> None:
    with (FOLDER / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heading)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
