# ruff: noqa: RUF001 - letters of other alphabets are meant.
"""Words for the speech synthesiser: common ones of many languages, and made-up ones of more."""

from dataclasses import dataclass

import numpy as np

WORDS: dict[str, str] = {
    "en-us": "love night forever dream shining river tonight heart beautiful fire baby rain light "
    "dancing away sorrow morning remember stay home summer crazy shadow the and never you with",
    "es": "amor noche corazón sueño cielo fuego siempre contigo llorar bailar luna vida camino "
    "tristeza mañana quiero volver mi alma sol lluvia nunca",
    "fr-fr": "amour nuit toujours rêve lumière rivière cœur chanson pluie danser demain bonheur "
    "soleil jamais avec toi ma vie étoile je veux partir",
    "de": "Liebe Nacht immer Traum Himmel Feuer Herz tanzen morgen Regen Licht zurück Sehnsucht "
    "leben nie wieder mit dir Stern ich bleibe Straße",
    "it": "amore notte sempre sogno cielo fuoco cuore ballare domani pioggia luce tristezza vita "
    "stella mai con te voglio mare solo bella",
    "pt-br": "amor noite coração sonho céu fogo sempre saudade dançar amanhã chuva luz vida "
    "estrela nunca com você quero mar sozinho bonita",
    "ru": "любовь ночь всегда мечта небо огонь сердце танцевать завтра дождь свет жизнь звезда "
    "никогда с тобой хочу море один снова",
    "pl": "miłość noc zawsze marzenie niebo ogień serce tańczyć jutro deszcz światło życie "
    "gwiazda nigdy z tobą chcę morze sam znowu",
    "sv": "kärlek natt alltid dröm himmel eld hjärta dansa imorgon regn ljus liv stjärna aldrig "
    "med dig vill hav ensam igen",
    "fi": "rakkaus yö aina unelma taivas tuli sydän tanssia huomenna sade valo elämä tähti "
    "koskaan kanssasi meri yksin jälleen",
    "ja": "さくら よる こころ ゆめ そら ひかり あした なみだ ほし うみ きみと いつも かぜ はな "
    "ひとり さよなら まち あい",
    "ko": "사랑 밤 언제나 꿈 하늘 불 마음 춤 내일 비 빛 인생 별 바다 너와 혼자 다시 눈물",
    "hi": "प्यार रात हमेशा सपना आसमान आग दिल नाच कल बारिश रोशनी ज़िंदगी तारा सागर तुम अकेला फिर आँसू",
    "cmn-latn-pinyin": "ai4 ye4 meng4 tian1 kong1 huo3 xin1 tiao4 wu3 ming2 tian1 yu3 guang1 "
    "sheng1 ming4 xing1 hai3 ni3 gu1 du2 zai4 lei4",
    "tr": "aşk gece her zaman rüya gökyüzü ateş kalp dans yarın yağmur ışık hayat yıldız asla "
    "seninle deniz yalnız yine gözyaşı",
    "el": "αγάπη νύχτα πάντα όνειρο ουρανός φωτιά καρδιά χορός αύριο βροχή φως ζωή αστέρι ποτέ "
    "μαζί θάλασσα μόνος ξανά",
    "id": "cinta malam selalu mimpi langit api hati menari besok hujan cahaya hidup bintang laut "
    "denganmu sendiri lagi rindu",
    "sw": "upendo usiku daima ndoto anga moto moyo cheza kesho mvua nuru maisha nyota bahari "
    "nawe peke tena machozi",
    "ar": "حب ليل دائما حلم سماء نار قلب رقص غدا مطر نور حياة نجمة بحر معك وحيد دموع",
}


@dataclass(frozen=True)
class Script:
    """Letters from which syllables are made, apart by spaces; ``-`` stands for none."""

    onsets: str
    nuclei: str
    codas: str
    languages: str


def _brahmic(block: int, language: str) -> Script:
    """The scripts of India share one layout of their blocks."""
    consonants = (0x15, 0x1A, 0x24, 0x28, 0x2A, 0x2E, 0x2F, 0x30, 0x32, 0x38, 0x39)
    signs = (0x3E, 0x3F, 0x40, 0x41, 0x42, 0x47, 0x4B)
    letters, vowels = (" ".join(chr(block + o) for o in row) for row in (consonants, signs))
    return Script(letters, vowels, "-", language)


def _ethiopic() -> Script:
    rows = (0, 1, 3, 6, 8, 12, 18, 20)
    letters = " ".join(chr(0x1200 + 8 * row + vowel) for row in rows for vowel in range(7))
    return Script(letters, "-", "-", "am")


SCRIPTS: tuple[Script, ...] = (
    Script(
        "b d f g h j k l m n p r s t v w y z ch sh br dr fl gr pl st tr kl",
        "a e i o u a e i o u ai ei ou ia au",
        "- - - n m l r s t k nd",
        "af an az bs ca cs cy da en-029 en-gb en-gb-scotland en-gb-x-rp en-us-nyc eo es-419 et "
        "eu fr-be ga gd gn haw hr ht hu is ku la lb lt lv ms mt nb nl om pap pt qu ro sk sl "
        "sq tk tn uz vi",
    ),
    Script(
        "б в г д ж з к л м н п р с т ф х ч ш",
        "а е и о у я ю",
        "- - н л р с й",
        "uk bg be kk ky tt ba",
    ),
    Script(
        "კ გ დ ბ მ ნ რ ლ ს შ თ ჩ ვ",
        "ა ე ი ო უ",
        "- - ნ ს",
        "ka",
    ),
    Script(
        "կ գ դ բ մ ն ր լ ս շ տ վ",
        "ա ե ի ո օ",
        "- - ն ր",
        "hy hyw",
    ),
    Script(
        "ب ت د ر س ش ف ک ل م ن",
        "ا ی و",
        "- - ن ر",
        "fa ur",
    ),
    _brahmic(0x0900, "mr"),
    _brahmic(0x0900, "ne"),
    _brahmic(0x0980, "bn"),
    _brahmic(0x0A80, "gu"),
    _brahmic(0x0A00, "pa"),
    _brahmic(0x0B80, "ta"),
    _brahmic(0x0C00, "te"),
    _brahmic(0x0C80, "kn"),
    _brahmic(0x0D00, "ml"),
    _ethiopic(),
)

MADE_UP = {language: script for script in SCRIPTS for language in script.languages.split()}
LANGUAGES = (*WORDS, *MADE_UP)
"""Names of espeak-ng's voices."""


def random_language(rng: np.random.Generator) -> str:
    """Draw a language; those with real words come up more often."""
    names = tuple(WORDS) if rng.random() < 0.6 else tuple(MADE_UP)
    return str(rng.choice(names))


def random_words(rng: np.random.Generator, language: str, count: int) -> list[str]:
    """Draw words of a language, each up to three syllables or so."""
    if language in WORDS:
        return [str(word) for word in rng.choice(WORDS[language].split(), count)]
    script = MADE_UP[language]
    return [_made_up(rng, script) for _ in range(count)]


def _made_up(rng: np.random.Generator, script: Script) -> str:
    parts = [part.split() for part in (script.onsets, script.nuclei, script.codas)]
    n_syllables = int(rng.integers(1, 4))
    letters = [str(rng.choice(part)) for _ in range(n_syllables) for part in parts]
    return "".join(letters).replace("-", "")
