"""Make xtransplant/assets/languages/languages.csv; needs `pip install urielplus==1.3.2`.

Distances are featural distances to English in URIEL+ (Khan et al. 2025, arXiv 2409.18472; data
CC BY-SA 4.0). Resource classes are those of Joshi et al. 2020 (arXiv 2004.09095), from 0 (least
data) to 5.
"""

import csv
from pathlib import Path

from urielplus import urielplus

TABLE = Path(__file__).parents[1] / "xtransplant" / "assets" / "languages" / "languages.csv"
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
    languages = [
        (code, iso, resource)
        for resource, names in CLASSES.items()
        for code, iso in (name.split(":") for name in names.split())
    ]
    family = {code: name for name, codes in FAMILIES.items() for code in codes.split()}
    uriel = urielplus.URIELPlus()
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["language", "iso639_3", "distance_to_english", "resource_class", "family"])
        for code, iso, resource in sorted(languages):
            distance = 0.0 if code == "en" else float(uriel.new_distance("featural", "eng", iso))
            writer.writerow([code, iso, round(distance, 3), resource, family[code]])


if __name__ == "__main__":
    main()
