"""Each shipped task entry against what is published of its data: languages, revisions."""

import re
from typing import Any

import pytest
import yaml

from xtransplant.config.compose import conf_dir
from xtransplant.languages import language

ENTRIES: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text("utf-8"))
    for path in sorted((conf_dir() / "task").glob("*.yaml"))
}
FROM_THE_HUB = sorted(name for name, entry in ENTRIES.items() if "id" in entry)

# As the data sets' cards and papers list them; the culture tasks' are those of the study.
LANGUAGES = {
    "xnli": "ar bg de el en es fr hi ru sw th tr ur vi zh",
    "xquad": "ar de el en es hi ro ru th tr vi zh",
    "xcopa": "en et ht id it qu sw ta th tr vi zh",
    "mkqa": """ar da de en es fi fr he hu it ja km ko ms nl no pl pt ru sv th tr vi
        zh_cn zh_hk zh_tw""",
    "global_mmlu": """am ar bn cs de el en es fa fil fr ha he hi id ig it ja ko ky lt mg ms ne nl
        ny pl pt ro ru si sn so sr sv sw te tr uk vi yo zh""",
    "globalopinionqa": "am ar de el en es fr hi id ja pt ru sv sw tl tr uk ur vi zh-CN",
    "culturalbench_easy": "ar de en es fr he hi ja ko ms pl ru tl tr vi zh",
    "culturalbench_hard": "ar de en es fr he hi ja ko ms pl ru tl tr vi zh",
}
BELEBELE = """
    acm_Arab afr_Latn als_Latn amh_Ethi apc_Arab arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab
    asm_Beng azj_Latn bam_Latn ben_Beng ben_Latn bod_Tibt bul_Cyrl cat_Latn ceb_Latn ces_Latn
    ckb_Arab dan_Latn deu_Latn ell_Grek eng_Latn est_Latn eus_Latn fin_Latn fra_Latn fuv_Latn
    gaz_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hin_Latn hrv_Latn hun_Latn
    hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan kac_Latn kan_Knda
    kat_Geor kaz_Cyrl kea_Latn khk_Cyrl khm_Khmr kin_Latn kir_Cyrl kor_Hang lao_Laoo lin_Latn
    lit_Latn lug_Latn luo_Latn lvs_Latn mal_Mlym mar_Deva mkd_Cyrl mlt_Latn mri_Latn mya_Mymr
    nld_Latn nob_Latn npi_Deva npi_Latn nso_Latn nya_Latn ory_Orya pan_Guru pbt_Arab pes_Arab
    plt_Latn pol_Latn por_Latn ron_Latn rus_Cyrl shn_Mymr sin_Latn sin_Sinh slk_Latn slv_Latn
    sna_Latn snd_Arab som_Latn sot_Latn spa_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn
    tam_Taml tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tsn_Latn tso_Latn tur_Latn ukr_Cyrl
    urd_Arab urd_Latn uzn_Latn vie_Latn war_Latn wol_Latn xho_Latn yor_Latn zho_Hans zho_Hant
    zsm_Latn zul_Latn
"""
# The forty languages of Belebele with most speakers, first and second, by Ethnologue 2023; Arabic
# and its varieties are one.
MOST_SPEAKERS = """
    en zh hi es fr ar bn pt ru ur id de ja mr te tr ta vi tl ko fa ha sw jv it gu th kn am pa yo my
    pl ln or ml uk uz om su
"""


@pytest.mark.parametrize("task", LANGUAGES)
def test_languages_are_those_of_the_data(task: str) -> None:
    assert ENTRIES[task]["languages"] == sorted(LANGUAGES[task].split())


def test_belebele_has_the_languages_with_most_speakers_and_only_its_own() -> None:
    given = ENTRIES["belebele"]["languages"]
    assert {language(code).flores for code in given} <= set(BELEBELE.split())
    assert len(MOST_SPEAKERS.split()) == 40 and set(MOST_SPEAKERS.split()) <= set(given)


@pytest.mark.parametrize("task", FROM_THE_HUB)
def test_data_are_pinned_where_a_commit_is_known(task: str) -> None:
    entry = ENTRIES[task]
    revisions = {key: entry[key] for key in ("revision", "pivot_revision") if key in entry}
    assert len(revisions) == 1 + ("pivot_id" in entry)
    wanted = "main" if task.startswith("culturalbench") else "[0-9a-f]{40}"
    assert all(re.fullmatch(wanted, revision) for revision in revisions.values())


def test_an_entry_says_under_which_licence_its_data_are() -> None:
    assert all(entry["licence"].strip() for entry in ENTRIES.values())
