"""Make capitals.jsonl: capitals of forty countries, asked in five languages; public facts."""

import json
from pathlib import Path

LANGUAGES = {
    "en": "Country: {}. Capital:",
    "de": "Land: {}. Hauptstadt:",
    "es": "País: {}. Capital:",
    "fr": "Pays : {}. Capitale :",
    "sw": "Nchi: {}. Mji mkuu:",
}
# Country in en, de, es, fr, sw, then the capital with its forms in these languages.
FACTS = """
France|Frankreich|Francia|France|Ufaransa|Paris,París
Germany|Deutschland|Alemania|Allemagne|Ujerumani|Berlin,Berlín
Spain|Spanien|España|Espagne|Hispania|Madrid
Italy|Italien|Italia|Italie|Italia|Rome,Rom,Roma
Portugal|Portugal|Portugal|Portugal|Ureno|Lisbon,Lissabon,Lisboa,Lisbonne
England|England|Inglaterra|Angleterre|Uingereza|London,Londres
Ireland|Irland|Irlanda|Irlande|Ayalandi|Dublin,Dublín
Belgium|Belgien|Bélgica|Belgique|Ubelgiji|Brussels,Brüssel,Bruselas,Bruxelles
Netherlands|Niederlande|Países Bajos|Pays-Bas|Uholanzi|Amsterdam,Ámsterdam
Austria|Österreich|Austria|Autriche|Austria|Vienna,Wien,Viena,Vienne
Poland|Polen|Polonia|Pologne|Poland|Warsaw,Warschau,Varsovia,Varsovie
Sweden|Schweden|Suecia|Suède|Uswidi|Stockholm,Estocolmo
Norway|Norwegen|Noruega|Norvège|Norwei|Oslo
Denmark|Dänemark|Dinamarca|Danemark|Denmark|Copenhagen,Kopenhagen,Copenhague
Finland|Finnland|Finlandia|Finlande|Ufini|Helsinki
Greece|Griechenland|Grecia|Grèce|Ugiriki|Athens,Athen,Atenas,Athènes
Turkey|Türkei|Turquía|Turquie|Uturuki|Ankara
Russia|Russland|Rusia|Russie|Urusi|Moscow,Moskau,Moscú,Moscou
Ukraine|Ukraine|Ucrania|Ukraine|Ukraini|Kyiv,Kiev,Kiew
Hungary|Ungarn|Hungría|Hongrie|Hungaria|Budapest
Romania|Rumänien|Rumania|Roumanie|Romania|Bucharest,Bukarest,Bucarest
Egypt|Ägypten|Egipto|Égypte|Misri|Cairo,Kairo,El Cairo,Le Caire
Kenya|Kenia|Kenia|Kenya|Kenya|Nairobi
Ethiopia|Äthiopien|Etiopía|Éthiopie|Ethiopia|Addis Ababa,Addis Abeba,Adís Abeba,Addis-Abeba
Ghana|Ghana|Ghana|Ghana|Ghana|Accra
Morocco|Marokko|Marruecos|Maroc|Moroko|Rabat
Algeria|Algerien|Argelia|Algérie|Aljeria|Algiers,Algier,Argel,Alger
Japan|Japan|Japón|Japon|Japani|Tokyo,Tokio
China|China|China|Chine|Uchina|Beijing,Peking,Pekín,Pékin
India|Indien|India|Inde|Uhindi|New Delhi,Neu-Delhi,Nueva Delhi,Delhi
Thailand|Thailand|Tailandia|Thaïlande|Uthai|Bangkok
Iran|Iran|Irán|Iran|Uajemi|Tehran,Teheran,Teherán,Téhéran
Iraq|Irak|Irak|Irak|Iraki|Baghdad,Bagdad
Cuba|Kuba|Cuba|Cuba|Kuba|Havana,Havanna,La Habana,La Havane
Mexico|Mexiko|México|Mexique|Meksiko|Mexico City,Mexiko-Stadt,Ciudad de México,Mexico
Peru|Peru|Perú|Pérou|Peru|Lima
Chile|Chile|Chile|Chili|Chile|Santiago
Argentina|Argentinien|Argentina|Argentine|Argentina|Buenos Aires
Canada|Kanada|Canadá|Canada|Kanada|Ottawa
Australia|Australien|Australia|Australie|Australia|Canberra
"""


def main() -> None:
    lines = []
    for fact in FACTS.split("\n")[1:-1]:
        *countries, capital = fact.split("|")
        names = dict(zip(LANGUAGES, countries, strict=True))
        forms = capital.split(",")
        for language in list(LANGUAGES)[1:]:
            row = {
                "id": names["en"].lower(),
                "language": language,
                "source": LANGUAGES["en"].format(names["en"]),
                "target": LANGUAGES[language].format(names[language]),
                "gold": forms[0],
                "aliases": forms[1:],
            }
            lines.append(json.dumps(row, ensure_ascii=False))
    path = Path(__file__).with_name("capitals.jsonl")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
