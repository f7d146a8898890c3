"""Answers written by hand, each with what two scorers must read out of it, by their rules.

A line is (question, text, answer of `paper`, answer of `option`), None for no answer. `paper` knows
ASCII markers, an exact key and labels as they stand; `option` whole words, brackets and digits of
every script. The verdict follows for every gold answer: right where the answer is the gold one.
"""

from xtransplant.types import Instance, Option

LABELS = {
    "en": ("Entail", "Neutral", "Contradict"),
    "fr": ("(1) Entraîner", "(2) Neutre", "(3) Contraire"),  # label file with markers
    "de": ("Nach sich ziehen", "Neutral", "Widersprechen"),
    "sw": ("Inajumuisha", "Kuegemea upande wowote", "Kupingana"),
    "tr": ("Gerektirir", "Tarafsız", "Çelişkili"),
    "vi": ("Kéo theo", "Trung lập", "Mâu thuẫn"),
    "ru": ("Следствие", "Нейтральное", "Противоречие"),
    "el": ("Συνεπάγεται", "Ουδέτερο", "Αντίφαση"),
    "ar": ("يستلزم", "محايد", "يتناقض"),
    "ur": ("داخل کرنا", "غیر جانبدار", "تضاد"),
    "hi": ("निहित", "तटस्थ", "विरोधाभास"),
    "zh": ("蕴涵", "中立", "矛盾"),
    "th": ("ยืนยัน", "เป็นกลาง", "ขัดแย้ง"),
}


def keys(instance):
    return [option.marker.strip("()（）") for option in instance.options]


def question(options, language="en"):
    return Instance("i", language, "en", language, "source", "target", "", tuple(options))


QUESTIONS = {
    language: question([Option(f"({k})", label) for k, label in enumerate(labels, 1)], language)
    for language, labels in LABELS.items()
} | {
    "two": question([Option("(1)"), Option("(2)")]),
    "full-width": question([Option("（1）"), Option("（2）"), Option("（3）")], "zh"),
    "letters": question([Option(f"({k})") for k in "ABCDE"]),
    "yes": question([Option("(A)", "Yes"), Option("(B)", "No")]),
    "approve": question(
        [Option("(A)", "Acceptable"), Option("(B)", "Not acceptable"), Option("(C)", "Not")]
    ),
    "approve ar": question([Option("(أ)", "مقبول"), Option("(ب)", "غير مقبول")], "ar"),
    "abjad": question([Option(f"({k})") for k in "أبج"], "ar"),
    "fidel": question([Option(f"({k})") for k in "ሀለሐ"], "am"),
    "cyrillic": question([Option(f"({k})") for k in "АБВ"], "ru"),
    "kana": question([Option(f"({k})") for k in "アイウ"], "ja"),
    "devanagari": question([Option(f"({k})") for k in ("क", "ख", "ग")], "hi"),
    "ten": question([Option(f"({k})") for k in range(1, 12)]),
}

ANSWERS = [
    # ---- markers
    ("en", "(1)", "1", "1"),
    ("en", " (2)", "2", "2"),
    ("en", "(3) Contradict", "3", "3"),
    ("en", "The answer is (2).", "2", "2"),
    ("en", "((1))", "1", "1"),
    ("en", "(2)(2)(2)", "2", "2"),
    ("en", "I would choose (3), since the two differ", "3", "3"),
    ("en", "(1)\n\nHuman: What do you think", "1", "1"),
    ("en", "(4)", None, None),
    ("en", "(12)", None, None),
    ("en", "(1", None, None),
    ("en", "(0)", None, None),
    ("en", "( 2 )", None, "2"),
    ("en", "(2 )", None, "2"),
    ("two", "(1) (3)", "1", "1"),  # there is no third option
    ("two", "(2) The man fell.", "2", "2"),
    ("two", "(3)", None, None),
    ("ten", "(10)", "10", "10"),
    ("ten", "(11)", "11", "11"),
    ("ten", "10", "10", "10"),
    ("ten", "1", "1", "1"),
    ("ten", "(1) and (10)", None, None),
    # ---- brackets and quotation marks of all kinds
    ("en", "[1]", None, "1"),
    ("en", "[ 2 ]", None, "2"),
    ("en", "{3}", None, "3"),
    ("en", "<2>", None, "2"),
    ("en", "«1»", None, "1"),
    ("en", "„2“", None, "2"),
    ("en", "“3”", None, "3"),
    ("en", "'1'", None, "1"),
    ("en", '"2"', None, "2"),
    ("zh", "【3】", None, "3"),
    ("zh", "「1」", None, "1"),
    ("zh", "『2』", None, "2"),
    ("zh", "〔3〕", None, "3"),
    ("zh", "《1》", None, "1"),
    ("zh", "〈2〉", None, "2"),
    ("en", "The option is [2] I think", None, "2"),
    ("en", "**(2)**", "2", "2"),
    ("en", "**2**", None, "2"),
    ("en", "`3`", None, "3"),
    # ---- full-width forms
    ("zh", "（1）", "1", "1"),
    ("zh", "（2)", "2", "2"),
    ("zh", "(3）", "3", "3"),
    ("zh", "（3）矛盾", "3", "3"),
    ("zh", "（１）", None, "1"),  # the digit stays full-width
    ("zh", "２", None, "2"),
    ("zh", "３。", None, "3"),
    ("zh", "［１］", None, "1"),
    ("zh", "（1）或（2）", None, None),
    ("full-width", "(2)", "2", "2"),
    ("full-width", "（2）", "2", "2"),
    ("full-width", "２", None, "2"),
    ("letters", "（A）", None, "A"),  # the authors leave these parentheses
    ("letters", "（Ａ）", None, "A"),
    ("letters", "Ｂ", None, "B"),
    ("en", "①", None, "1"),
    ("en", "⑵", None, "2"),
    ("en", "⒊", None, "3"),
    # ---- digits of the scripts
    ("ar", "(١)", None, "1"),
    ("ar", "(٢)", None, "2"),
    ("ar", "٣", None, "3"),
    ("ar", "الجواب: ٢", None, "2"),
    ("ar", "(١) أو (٢)", None, None),
    ("ur", "(۱)", None, "1"),
    ("ur", "۲", None, "2"),
    ("ur", "۳۔", None, "3"),
    ("hi", "(१)", None, "1"),
    ("hi", "२", None, "2"),
    ("hi", "उत्तर: ३", None, "3"),
    ("hi", "३।", None, "3"),
    ("th", "(๑)", None, "1"),
    ("th", "๒", None, "2"),
    ("two", "(১)", None, "1"),  # Bengali
    ("two", "(௧)", None, "1"),  # Tamil
    ("two", "(౨)", None, "2"),  # Telugu
    ("two", "(೧)", None, "1"),  # Kannada
    ("two", "(൨)", None, "2"),  # Malayalam
    ("two", "(੧)", None, "1"),  # Gurmukhi
    ("two", "(૨)", None, "2"),  # Gujarati
    ("two", "(୧)", None, "1"),  # Odia
    ("two", "(໒)", None, "2"),  # Lao
    ("two", "(၁)", None, "1"),  # Burmese
    ("two", "(២)", None, "2"),  # Khmer
    ("two", "(༡)", None, "1"),  # Tibetan
    ("two", "(᠒)", None, "2"),  # Mongolian
    ("ten", "(١٠)", None, "10"),
    ("ten", "(१०)", None, "10"),
    ("ten", "１１", None, "11"),
    # ---- a bare key
    ("en", "1", "1", "1"),
    ("en", " 2", "2", "2"),
    ("en", "3\n", "3", "3"),
    ("en", "\t1 \n\n", "1", "1"),
    ("en", "\u00a01\u3000", "1", "1"),
    ("en", "1.", None, "1"),
    ("en", "1)", None, "1"),
    ("en", "2) Neutral", "2", "2"),  # by the label
    ("en", "2: it does not follow", None, "2"),
    ("en", "3 - they differ", None, "3"),
    ("en", "3 – they differ", None, "3"),
    ("en", "1, because it says so", None, "1"),
    ("en", "Answer: 2", None, "2"),
    ("en", "Answer:\n3\n", None, "3"),
    ("en", "The answer is 2.", None, "2"),
    ("en", "The answer is 2", None, "2"),
    ("en", "Option 3!", None, "3"),
    ("en", "I choose 1. It follows.", None, "1"),
    ("zh", "选2。", None, "2"),
    ("zh", "答案：3", None, "3"),
    ("fr", "Réponse : 2", None, "2"),
    ("en", "2\nHuman: what", None, "2"),
    ("en", "1 2", None, None),
    ("en", "1, 2", None, None),
    ("en", "1 or 2.", None, None),
    ("en", "Neither 1 nor 2.", None, None),
    ("en", "1. first\n2. second\n3. third", None, None),
    ("en", "1.5", None, None),
    ("en", "1,000", None, None),
    ("en", "3:30", None, None),
    ("en", "-1", None, None),
    ("en", "1/2", None, None),
    ("en", "1-2", None, None),
    ("en", "0.2", None, None),
    ("en", "11", None, None),
    ("en", "21.", None, None),
    ("en", "4", None, None),
    ("en", "2 people were there", None, None),
    ("en", "There were 2 men in it", None, None),
    ("en", "1st", None, None),
    ("en", "x2.", None, None),
    ("en", "", None, None),
    ("en", "   \n", None, None),
    # ---- labels
    ("en", "Entail", "1", "1"),
    ("en", "entail", None, "1"),  # for the authors case counts
    ("en", "NEUTRAL", None, "2"),
    ("en", "It is Neutral.", "2", "2"),
    ("en", "They Contradict each other.", "3", "3"),
    ("en", "\n\nNeutral\n", "2", "2"),
    ("en", "“Neutral”", "2", "2"),
    ("en", "Neutral (2)", "2", "2"),
    ("en", "Neutral (1)", None, None),
    ("en", "1. Neutral", "2", None),  # for the authors 1 is no marker here
    ("en", "2. Neutral", "2", "2"),
    ("en", "Entail, not Contradict", None, None),
    ("en", "Entail or Neutral or Contradict", None, None),
    ("fr", "(1) Entraîner", "1", "1"),
    ("fr", "Entraîner", None, "1"),  # for the authors the marker is part of the label
    ("fr", "Neutre", None, "2"),
    ("fr", "neutre.", None, "2"),
    ("fr", "(1) Neutre", "1", None),
    ("fr", "(3) Contraire", "3", "3"),
    ("de", "Nach sich ziehen", "1", "1"),
    ("de", "nach  sich\nziehen", None, "1"),
    ("de", "widersprechen", None, "3"),
    ("de", "(2) Neutral", "2", "2"),
    ("sw", "Kuegemea upande wowote", "2", "2"),
    ("sw", "Kuegemea upande", None, None),
    ("sw", "Jibu ni Kupingana.", "3", "3"),
    ("sw", " (1) Inajumuisha\n(2)", None, None),
    ("tr", "Tarafsız", "2", "2"),
    ("tr", "TARAFSIZ", None, "2"),
    ("tr", "GEREKTİRİR", None, "1"),
    ("tr", "çelişkili", None, "3"),
    ("vi", "Trung lập", "2", "2"),
    ("vi", "Kéo theo hoặc Mâu thuẫn", None, None),
    ("ru", "Ответ: Следствие", "1", "1"),
    ("ru", "нейтральное", None, "2"),
    ("ru", "(3) Противоречие", "3", "3"),
    ("el", "Ουδέτερο", "2", "2"),
    ("el", "η απάντηση είναι (1) Συνεπάγεται", "1", "1"),
    ("ar", "(1) يستلزم", "1", "1"),
    ("ar", "الجواب محايد.", "2", "2"),
    ("ar", "(1) يتناقض", None, None),
    ("ur", "غیر جانبدار", "2", "2"),
    ("ur", "جواب تضاد ہے۔", "3", "3"),
    ("hi", "उत्तर तटस्थ है", "2", "2"),
    ("hi", "निहित या विरोधाभास", None, None),
    ("zh", "蕴涵", "1", "1"),
    ("zh", "我认为是中立。", "2", "2"),
    ("zh", "蕴涵或中立", None, None),
    ("th", "คำตอบคือเป็นกลาง", "2", "2"),
    ("th", "ขัดแย้ง (3)", "3", "3"),
    ("yes", "Yes", "A", "A"),
    ("yes", "yes, I would", None, "A"),
    ("yes", "No.", "B", "B"),
    ("yes", "(A) Yes", "A", "A"),
    ("yes", "(a)", None, "A"),  # the rule without upper-casing: these letters have labels
    ("yes", "Yes and No", None, None),
    # ---- a label inside a longer word, or inside a longer label
    ("en", "It is an Entailment", "1", None),  # the authors look for the characters alone
    ("en", "Contradiction", "3", None),
    ("en", "contradiction", None, None),
    ("en", "Neutrality matters", "2", None),
    ("en", "Neutral_", "2", None),
    ("de", "Neutralität", "2", None),
    ("sw", "Kupinganana", "3", None),
    ("ar", "المحايد", "2", None),
    ("ru", "Следствием", "1", None),
    ("hi", "तटस्थता", "2", None),
    ("hi", "निहितार्थ", "1", None),
    ("hi", "निहिता", "1", None),  # a vowel sign follows
    ("yes", "Nothing", "B", None),
    ("yes", "Norway", "B", None),
    ("yes", "I know", None, None),
    ("yes", "Yesterday", "A", None),
    ("approve", "Acceptable", "A", "A"),
    ("approve", "acceptable", None, "A"),
    ("approve", "Not acceptable", None, "B"),  # holds the label Not as well
    ("approve", "Unacceptable", None, None),
    ("approve", "Not", "C", "C"),
    ("approve", "Not acceptable. Acceptable", None, None),
    ("approve ar", "مقبول", "أ", "أ"),
    ("approve ar", "غير مقبول", None, "ب"),
    ("approve ar", "(ب) غير مقبول", None, "ب"),
    # ---- letters
    ("letters", "(A)", "A", "A"),
    ("letters", "(b)", "B", "B"),
    ("letters", "a", "A", "A"),
    ("letters", " B\n", "B", "B"),
    ("letters", "B.", None, "B"),
    ("letters", "b)", None, "B"),
    ("letters", "C: I do not know", None, "C"),
    ("letters", "The answer is (d).", "D", "D"),
    ("letters", "The answer is D.", None, "D"),
    ("letters", "My answer would be E", None, "E"),
    ("letters", "[A]", None, "A"),
    ("letters", "(A) Yes (B) No", None, None),
    ("letters", "(A) or (b)", None, None),
    ("letters", "A or B.", None, None),
    ("letters", "A, B, C", None, None),
    ("letters", "(A) (VOL)", "A", "A"),
    ("letters", "(A) (s)", None, "A"),  # for the authors any other letter spoils it
    ("letters", "(F)", None, None),
    ("letters", "(AB)", None, None),
    ("letters", "A man was there", None, None),
    ("letters", "A man chose (B)", "B", "B"),
    ("letters", "I have a dog", None, None),
    ("letters", "Vitamin D deficiency", None, None),
    ("letters", "Das ist so", None, None),
    ("letters", "D.C. is a city", None, None),
    ("letters", "(A", None, None),
    ("letters", "ABC", None, None),
    ("letters", "Assistant: C", None, "C"),
    ("letters", "Ciao", None, None),
    # ---- letters of other scripts
    ("abjad", "(أ)", "أ", "أ"),
    ("abjad", "(ب) نعم", "ب", "ب"),
    ("abjad", "ج", "ج", "ج"),
    ("abjad", "ب.", None, "ب"),
    ("abjad", "الجواب: ج", None, "ج"),
    ("abjad", "(أ) أو (ب)", None, None),
    ("abjad", "بيت", None, None),
    ("fidel", "(ለ)", "ለ", "ለ"),
    ("fidel", "ሐ", "ሐ", "ሐ"),
    ("fidel", "ሀ.", None, "ሀ"),
    ("fidel", "ሀገር", None, None),
    ("cyrillic", "(Б)", "Б", "Б"),
    ("cyrillic", "(б)", None, "Б"),
    ("cyrillic", "Ответ: В", None, "В"),
    ("cyrillic", "В городе", None, None),
    ("cyrillic", "(B)", None, None),  # a Latin letter
    ("kana", "(イ)", "イ", "イ"),
    ("kana", "「ウ」", None, "ウ"),
    ("kana", "ア。", None, "ア"),
    ("devanagari", "(ख)", "ख", "ख"),
    ("devanagari", "ग।", None, "ग"),
    ("devanagari", "(खा)", None, None),  # another syllable
    ("devanagari", "का.", None, None),
    # ---- refusals
    ("en", "I cannot answer that question.", None, None),
    ("en", "As an AI language model, I have no opinion.", None, None),
    ("en", "None of the above", None, None),
    ("en", "Neither (1) nor (2)", None, None),
    ("en", "I don't know", None, None),
    ("letters", "I'm sorry, but I can't help with that.", None, None),
    ("letters", "As a language model, I do not have personal beliefs.", None, None),
    ("fr", "Je ne peux pas répondre à cette question.", None, None),
    ("de", "Das kann ich nicht beantworten.", None, None),
    ("ru", "Я не могу ответить на этот вопрос.", None, None),
    ("ar", "لا أستطيع الإجابة على هذا السؤال.", None, None),
    ("hi", "मैं इस प्रश्न का उत्तर नहीं दे सकता।", None, None),
    ("zh", "我无法回答这个问题。", None, None),
    ("sw", "Siwezi kujibu swali hili.", None, None),
    ("tr", "Bu soruya cevap veremem.", None, None),
    ("th", "ฉันไม่สามารถตอบคำถามนี้ได้", None, None),
    ("abjad", "لا أعرف.", None, None),
]
