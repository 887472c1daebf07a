"""Writes the example texts beside it from parts written for forecastkit; the same bytes every time.

python datasets/text/make.py
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

HERE = Path(__file__).resolve().parent

THINGS = {
    "en": ["The kettle", "This backpack", "The hotel room", "The soup", "My new phone", "The train ride", "The course", "This lamp",
           "The delivery", "The app", "The jacket", "The concert"],
    "es": ["La tetera", "Esta mochila", "La habitación del hotel", "La sopa", "Mi teléfono nuevo", "El viaje en tren", "El curso",
           "Esta lámpara", "La entrega", "La aplicación", "La chaqueta", "El concierto"],
}  # fmt: skip
SAID = {
    ("en", "positive"): ["was better than I had hoped", "made my whole week", "is a joy from morning to night", "was worth every cent",
        "never let me down", "is not bad at all, quite the contrary", "surprised me in the best way", "has become my favourite",
        "was lovely and the staff smiled", "works perfectly since the first day", "could hardly be improved", "is great, I would buy it again"],
    ("en", "negative"): ["was a waste of money", "broke on the second day", "is not good at all", "let me down badly",
        "was worse than the old one", "smelled strange and felt cheap", "never worked as promised", "made me angry more than once",
        "is far too expensive for what it is", "was late, cold and sad", "could hardly be worse", "is terrible, I want my money back"],
    ("en", "neutral"): ["arrived on Tuesday", "is blue and weighs two kilos", "comes with a cable and a booklet", "was neither good nor bad",
        "is the same as last year", "costs forty euros", "has three pockets and a zip", "starts at nine and ends at noon",
        "is made of steel", "was changed for another size", "is for four people", "does what it says, no more and no less"],
    ("es", "positive"): ["fue mejor de lo que esperaba", "me alegró toda la semana", "es un placer de la mañana a la noche", "valió cada céntimo",
        "nunca me ha fallado", "no está nada mal, al contrario", "me sorprendió para bien", "ya es mi favorita entre todas",
        "fue encantador y el trato también", "funciona perfectamente desde el primer día", "apenas se puede mejorar", "es genial, repetiría sin dudar"],
    ("es", "negative"): ["fue tirar el dinero", "se rompió al segundo día", "no es nada bueno", "me decepcionó mucho",
        "fue peor que lo de antes", "olía raro y parecía barato", "nunca funcionó como prometían", "me enfadó más de una vez",
        "es demasiado caro para lo que es", "llegó tarde, frío y triste", "apenas podría ser peor", "es terrible, quiero mi dinero"],
    ("es", "neutral"): ["llegó el martes", "es azul y pesa dos kilos", "viene con un cable y un folleto", "no fue ni bueno ni malo",
        "es igual que el año pasado", "cuesta cuarenta euros", "tiene tres bolsillos y cremallera", "empieza a las nueve y acaba a mediodía",
        "es de acero", "se cambió por otra talla", "es para cuatro personas", "hace lo que dice, ni más ni menos"],
}  # fmt: skip
MORE = {
    "en": [
        "",
        "",
        ", and I told my sister so",
        " after a month of use",
        ", to be honest",
        " for us",
        "!",
        " (second order)",
    ],
    "es": [
        "",
        "",
        ", y así se lo dije a mi hermana",
        " tras un mes de uso",
        ", la verdad",
        " para nosotros",
        "!",
        " (segundo pedido)",
    ],
}

DAYS = [
    "Hoy",
    "Ayer",
    "Mañana",
    "El lunes",
    "El martes",
    "El sábado",
    "En abril",
    "En verano",
    "Esta mañana",
    "Esta tarde",
]
WEATHER = ["hace buen tiempo", "hace mal tiempo", "hace mucho frío", "hace calor", "llueve en el puerto", "sopla el viento", "sale el sol",
           "nieva en la sierra", "hay niebla en el valle", "hace buen tiempo en la playa"]  # fmt: skip
WHO = [
    "la abuela",
    "el pescador",
    "mi hermano",
    "la maestra",
    "el gato",
    "una niña",
    "el panadero",
    "la vecina",
    "el viejo capitán",
    "Marta",
]
DOES = ["abre la ventana", "prepara el café", "camina hasta el mercado", "canta una canción", "mira el mar", "compra pan y queso",
        "escribe una carta", "riega las flores", "cuenta una historia", "cierra la puerta"]  # fmt: skip
THEN = [
    "y vuelve a casa",
    "y sonríe",
    "sin decir nada",
    "antes de cenar",
    "con mucho cuidado",
    "porque es domingo",
    "como cada día",
    "hasta la noche",
]

NOUNS = [("house", "la casa", "a"), ("dog", "el perro", "o"), ("garden", "el jardín", "o"), ("table", "la mesa", "a"),
         ("book", "el libro", "o"), ("street", "la calle", "a"), ("car", "el coche", "o"), ("school", "la escuela", "a"),
         ("bread", "el pan", "o"), ("window", "la ventana", "a")]  # fmt: skip
ADJECTIVES = [
    ("small", "pequeñ"),
    ("white", "blanc"),
    ("red", "roj"),
    ("old", "viej"),
    ("new", "nuev"),
    ("beautiful", "bonit"),
    ("expensive", "car"),
]
VERBS = [
    ("I see", "veo"),
    ("you see", "ves"),
    ("we want", "queremos"),
    ("they buy", "compran"),
    ("she looks for", "busca"),
    ("I do not want", "no quiero"),
]


def reviews(rng: random.Random) -> list[tuple[str, str, str]]:
    rows = []
    for (lang, label), said in SAID.items():
        pairs = [(t, s) for t in THINGS[lang] for s in said]
        for thing, what in rng.sample(pairs, 70):
            more = rng.choice(MORE[lang])
            rows.append((f"{thing} {what}{more}".strip() + ("" if more.endswith("!") else "."), label, lang))
    rng.shuffle(rows)
    return rows


def tales(rng: random.Random) -> list[str]:
    lines = []
    for _ in range(260):
        kind = rng.random()
        if kind < 0.4:
            lines.append(
                f"{rng.choice(DAYS)} {rng.choice(WEATHER)} y {rng.choice(WHO)} {rng.choice(DOES)} {rng.choice(THEN)}."
            )
        elif kind < 0.7:
            who = rng.choice(WHO)
            lines.append(f"{who[0].upper()}{who[1:]} {rng.choice(DOES)} {rng.choice(THEN)}.")
        else:
            lines.append(f"{rng.choice(DAYS)} {rng.choice(WEATHER)}.")
    return lines


def phrases() -> list[tuple[str, str]]:
    out = []
    for en, es, end in NOUNS:
        out.append((f"The {en}.", f"{es[0].upper()}{es[1:]}."))
        for adjective, stem in ADJECTIVES:
            out.append((f"The {en} is {adjective}.", f"{es[0].upper()}{es[1:]} es {stem}{end}."))
            out.append((f"Is the {en} {adjective}?", f"¿Es {stem}{end} {es}?"))
            out.append((f"The {adjective} {en}.", f"{es[0].upper()}{es[1:]} {stem}{end}."))
        for verb, hace in VERBS:
            out.append((f"{verb[0].upper()}{verb[1:]} the {en}.", f"{hace[0].upper()}{hace[1:]} {es}."))
    return out


PLACES = {
    "library": ("nine", "seven", "on Mill Street", "nothing", "30 11"), "museum": ("ten", "six", "by the old bridge", "six euros", "30 24"),
    "pool": ("seven", "ten at night", "behind the station", "four euros", "30 57"), "market": ("eight", "two", "on the main square", "nothing", "30 90"),
    "cinema": ("five", "midnight", "on Rose Street", "eight euros", "30 36"), "zoo": ("nine", "five", "in the north park", "twelve euros", "30 73"),
}  # fmt: skip
ASKED = [
    (("When does the {} open?", "What time does the {} open?", "From what time is the {} open?", "How early can I go to the {}?",
      "When can I enter the {}?", "The {} opens at what time?", "Tell me when the {} opens."), "The {} opens at {}."),
    (("When does the {} close?", "What time does the {} close?", "Until what time is the {} open?", "How long can I stay in the {}?",
      "When must I leave the {}?", "The {} closes at what time?", "Tell me when the {} closes."), "The {} closes at {}."),
    (("Where is the {}?", "How do I get to the {}?", "Where can I find the {}?", "What is the address of the {}?",
      "Which way is the {}?", "The {} is in which street?", "Tell me where the {} is."), "The {} is {}."),
    (("What does the {} cost?", "How much is the {}?", "How much does the {} cost?", "What is the price of the {}?",
      "What must I pay for the {}?", "Is the {} free?", "Tell me the price of the {}."), "The {} costs {}."),
    (("What is the number of the {}?", "How can I call the {}?", "What is the phone of the {}?", "How do I phone the {}?",
      "Which number has the {}?", "Can I call the {}?", "Tell me the number of the {}."), "The {} has the number {}."),
]  # fmt: skip
MANNERS = ["{}", "Hello! {}", "Please: {}", "{} Thank you."]


def questions() -> list[tuple[str, str]]:
    """Questions about an invented town, each fact asked for in many ways."""
    out = []
    for place, facts in PLACES.items():
        for (ways, said), fact in zip(ASKED, facts):
            out += [(manner.format(way.format(place)), said.format(place, fact)) for way in ways for manner in MANNERS]
    return out


SCALE = ["C", "D", "E", "F", "G", "A", "B", "c", "d", "e", "f", "g"]
CHORDS = {"I": (0, 2, 4, 7, 9, 11), "IV": (3, 5, 7, 10), "V": (1, 4, 6, 8, 11)}
HARMONY = [("I", "V", "V", "I"), ("I", "IV", "V", "I"), ("I", "I", "IV", "V")]
RHYTHMS = [(2, 2, 2, 2), (4, 2, 2), (2, 2, 4), (3, 1, 2, 2), (2, 1, 1, 4), (2, 2, 1, 1, 2), (4, 4), (3, 1, 4)]


def melodies(rng: random.Random) -> list[str]:
    """Tunes of eight bars in C, 4/4, as ABC with notes in eighths: two bars, an answer, both again, home to c or C."""
    return [_tune(rng) for _ in range(260)]


def _tune(rng: random.Random) -> str:
    harmony, at, bars = rng.choice(HARMONY), rng.choice(CHORDS["I"]), []
    for chord in harmony:
        notes = []
        for k, length in enumerate(rng.choice(RHYTHMS)):
            if k == 0:
                at = min(CHORDS[chord], key=lambda tone: (abs(tone - at), rng.random()))
            else:
                at = min(max(at + rng.choice([-2, -1, -1, 1, 1, 2]), 0), len(SCALE) - 1)
            notes.append(f"{SCALE[at]}{length}")
        bars.append(" ".join(notes))
    last = f"{'c' if at > 4 else 'C'}8"
    return " | ".join([*bars, *bars[:3], last]) + " |]"


def main() -> None:
    rng = random.Random(7)
    with (HERE / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", "label", "language"])
        writer.writerows(reviews(rng))
    (HERE / "tales.txt").write_text("\n".join(tales(rng)) + "\n", encoding="utf-8")
    (HERE / "melodies.txt").write_text("\n".join(melodies(random.Random(11))) + "\n", encoding="utf-8")
    asked = questions()
    random.Random(5).shuffle(asked)
    (HERE / "questions.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in asked), encoding="utf-8")
    (HERE / "phrases.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in phrases()), encoding="utf-8")


if __name__ == "__main__":
    main()
