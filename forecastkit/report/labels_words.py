"""Words of the page of a run that classifies, English and Spanish."""

from __future__ import annotations

from forecastkit.report.remarks import found_in

__all__ = ["WHAT", "label_words", "remark"]

_WORDS = {
    "leaderboard": ("All models, on groups never seen", "Todos los modelos, en grupos nunca vistos"),
    "model": ("Model", "Modelo"),
    "sensitivity": ("Found", "Encontrados"),
    "ppv": ("Right when said", "Acierto al decirlo"),
    "f1": ("F1", "F1"),
    "interval": ("F1, 95 % interval", "F1, intervalo del 95 %"),
    "macro": ("Macro F1", "F1 macro"),
    "roc": ("ROC area", "Área ROC"),
    "pr": ("Average precision", "Precisión media"),
    "ece": ("Calibration error", "Error de calibración"),
    "select": ("F1 that chose", "F1 que eligió"),
    "time": ("Time", "Tiempo"),
    "rare_first": (
        "Found is the sensitivity for {rare}, right when said its positive predictive value; the bar is the interval of F1 when whole {what}s are drawn anew. F1 that chose comes from folds inside the training parts. Accuracy is not shown: always saying the commonest class has a high one.",
        "Encontrados es la sensibilidad para {rare}; acierto al decirlo, su valor predictivo positivo; la barra es el intervalo de F1 al sortear de nuevo cada {what} entero. F1 que eligió viene de particiones dentro de las partes de entrenamiento. No se muestra la exactitud: decir siempre la clase más común ya da una alta.",
    ),
    "groups": ("Each {what}", "Cada {what}"),
    "groups_said": (
        "Counts of {rare}, by the model {use}. F1 is given where there are at least 10.",
        "Recuentos de {rare}, por el modelo {use}. Se da F1 donde hay al menos 10.",
    ),
    "groups_single": (
        "Each has one sequence; those that {use} mistook for {rare} or missed.",
        "Cada uno tiene una secuencia; aquellos que {use} tomó por {rare} o no encontró.",
    ),
    "all_of_them": ("All of them", "Todos"),
    "missed": ("Missed", "Perdidos"),
    "alarms": ("False alarms", "Falsas alarmas"),
    "confusion": ("What was taken for what", "Qué se tomó por qué"),
    "was": ("was", "era"),
    "said": ("said", "dicho"),
    "specificity": ("Specificity", "Especificidad"),
    "curves": ("Every threshold", "Todos los umbrales"),
    "roc_title": ("Found, against false alarms (ROC)", "Encontrados frente a falsas alarmas (ROC)"),
    "pr_title": ("Right when said, against found (precision and recall)", "Acierto al decirlo frente a encontrados (precisión y exhaustividad)"),
    "reliability": ("Are the probabilities honest?", "¿Son honestas las probabilidades?"),
    "reliability_said": (
        "Of the sequences for which {use} says a probability of {rare}, this share was {rare}. On the line they agree.",
        "De las secuencias a las que {use} da una probabilidad de {rare}, esta proporción lo era. En la línea coinciden.",
    ),
    "strips": ("The surest mistakes of {use}", "Los errores más seguros de {use}"),
    "strips_said": (
        "25 mm a second, 10 mm a millivolt; small squares are 1 mm. Below each beat: what it was; in colour, what was said where that is another.",
        "25 mm por segundo, 10 mm por milivoltio; los cuadros pequeños son de 1 mm. Bajo cada latido: lo que era; en color, lo dicho cuando es otra cosa.",
    ),
    "strange": ("The strangest", "Lo más extraño"),
    "strange_said": (
        "25 mm a second, 10 mm a millivolt; small squares are 1 mm. Below each beat its label, ? where it has none; an exclamation mark where {use} finds it strange.",
        "25 mm por segundo, 10 mm por milivoltio; los cuadros pequeños son de 1 mm. Bajo cada latido su etiqueta, ? si no la tiene; un signo de exclamación donde {use} lo ve extraño.",
    ),
    "mattered": ("What {rare} was told by", "En qué se basó {rare}"),
    "mattered_said": (
        "How far the probability of {rare} falls, in points, where one thing is hidden: in sequences of {rare}, by the final model.",
        "Cuánto baja la probabilidad de {rare}, en puntos, si se oculta una sola cosa: en secuencias de {rare}, con el modelo final.",
    ),
    "wave_said": (
        "Shaded: hiding this part lowers the probability, darker the more. Median of {rare} in colour, of the commonest class in grey.",
        "Sombreado: ocultar esa parte baja la probabilidad, más oscuro cuanto más. Mediana de {rare} en color; de la clase más común, en gris.",
    ),
    "feature": ("Hidden", "Oculto"),
    "fall": ("Fall", "Bajada"),
    "anomaly": (
        "Without any label, by what usual sequences cannot express: {found} of {rare} stand out and {alarms} of the usual ones, on {what}s never seen (ROC area {roc}).",
        "Sin etiquetas, por lo que las secuencias usuales no pueden expresar: destacan el {found} de {rare} y el {alarms} de las usuales, en grupos nunca vistos (área ROC {roc}).",
    ),
    "detectors": ("Without labels: what is strange", "Sin etiquetas: lo que es extraño"),
    "detectors_said": (
        "Usual sequences are learned; what they cannot express is strange. The threshold comes from usual ones alone.",
        "Se aprenden las secuencias usuales; lo que no pueden expresar es extraño. El umbral sale solo de las usuales.",
    ),
    "others_found": ("Others found", "Otras encontradas"),
    "usual_strange": ("Usual called strange", "Usuales llamadas extrañas"),
    "strange_n": ("Strange", "Extrañas"),
    "learning": ("Learning", "Aprendizaje"),
    "peaks": ("R peaks found, against the annotations (within 75 ms)", "Picos R hallados, frente a las anotaciones (a 75 ms)"),
    "peaks_said": (
        "Assumed: beats that the rhythm around says were there while an electrode was off. The last column leaves them out.",
        "Supuestos: latidos que, según el ritmo alrededor, hubo mientras un electrodo estaba suelto. La última columna no los cuenta.",
    ),
    "record": ("Record", "Registro"),
    "assumed": ("Assumed", "Supuestos"),
    "seen_only": ("Found in the signal", "Hallados en la señal"),
    "data": ("The data", "Los datos"),
    "tested": ("Test", "Prueba"),
    "remarks": ("Remarks", "Observaciones"),
    "again": ("How to run this again", "Cómo repetirlo"),
    "failed": ("failed", "falló"),
    "skipped": ("skipped", "omitido"),
    "fact_found": ("of {rare} found", "de {rare} encontrados"),
    "fact_right": ("right when it says {rare}", "de acierto al decir {rare}"),
    "fact_f1": ("F1 of {rare}", "F1 de {rare}"),
    "fact_groups": ("{what}s with {rare}, of {n} tested", "con {rare}, de {n} probados"),
    "fact_alarms": ("of usual ones called strange", "de las usuales llamadas extrañas"),
    "uncalibrated": ("Too few groups to calibrate: probabilities are as the model says them.", "Muy pocos grupos para calibrar: probabilidades tal como las da el modelo."),
}  # fmt: skip
WHAT = {"patient": ("patient", "paciente")}


def label_words(lang: str, fill: dict[str, str]) -> dict[str, str]:
    """All words of a language, with ``fill`` in their places: rare, use, what, found, alarms, roc, n."""
    k = ("en", "es").index(lang)
    return {key: pair[k].format(**fill) for key, pair in _WORDS.items()}


_REMARKS = {
    "left out, paced: {names}": "excluidos por marcapasos: {names}",
    "left out, without annotated beats: {names}": "excluidos, sin latidos anotados: {names}",
    "five AAMI classes: tested on records that we wrote, not yet validated on the real database": "cinco clases de la AAMI: probadas con registros nuestros, aún sin validar con la base de datos real",
    "201 and 202 are records of one patient, and DS1/DS2 has one on each side, as it was published": "201 y 202 son registros de un mismo paciente, y DS1/DS2 tiene uno en cada lado, tal como se publicó",
    "{record}: {n} missing samples filled": "{record}: {n} muestras que faltaban, rellenadas",
    "{record}: lead off for {n} s": "{record}: derivación suelta durante {n} s",
    "{file}: {n} columns without a label are left out": "{file}: {n} columnas sin etiqueta, excluidas",
    "rhythms of fewer than {n} patients are left out: {few}": "ritmos de menos de {n} pacientes, excluidos: {few}",
    "rhythms of fewer than {n} patients count as {other}: {few}": "ritmos de menos de {n} pacientes, contados como {other}: {few}",
    "too few beats to tell a rhythm, left out: {names}": "muy pocos latidos para conocer un ritmo, excluidos: {names}",
    "{label} changes within an item: each labelled row is told from the rows up to it": "{label} cambia dentro de un mismo caso: cada fila etiquetada se dice a partir de las filas hasta ella",
    "column {name} is empty and left out": "la columna {name} está vacía y se excluye",
    "column {name} is text with {n} values and left out": "la columna {name} es texto con {n} valores y se excluye",
    "column {name} tells {label} without fail: was it known before the outcome?": "la columna {name} dice {label} sin fallo: ¿se conocía antes del resultado?",
    "items without a label, left out: {n}": "casos sin etiqueta, excluidos: {n}",
    "sequences without a row as early as {ahead} before their end, left out: {n}": "secuencias sin una fila de al menos {ahead} antes de su final, excluidas: {n}",
    "sequences of which only the last {n} rows are read: {k}": "secuencias de las que solo se leen las últimas {n} filas: {k}",
    "rows without a label, left out: {n}": "filas sin etiqueta, excluidas: {n}",
    "rows without a file or a label, left out: {n}": "filas sin archivo o sin etiqueta, excluidas: {n}",
    "no --group: each row counts as a patient of its own, which flatters where it is not": "sin --group: cada fila cuenta como un paciente distinto, lo que halaga si no lo es",
    "no --group: each file counts as made by somebody else, which flatters where it is not": "sin --group: cada archivo cuenta como hecho por otra persona, lo que halaga si no es así",
    "the same {what}s are on both sides, by request: the figures flatter": "los mismos {many} están en ambos lados, porque se pidió: las cifras halagan",
    "nothing is labelled: most are taken for usual, the strangest tenth is not learned from": "nada está etiquetado: casi todo se toma por usual, y de la décima parte más extraña no se aprende",
    "training did not improve on the logistic regression that it begins with, which is kept": "el entrenamiento no mejoró la regresión logística con la que empieza, y esta se conserva",
    "leave one {what} out": "se deja fuera un {one} cada vez",
    "folds of whole {what}s": "particiones de {many} enteros",
    "{what}s named by the user": "{many} que nombró el usuario",
    "single sequences at random: the same {what}s on both sides": "secuencias sueltas al azar: los mismos {many} en ambos lados",
    "DS1/DS2 of {source}": "DS1/DS2 de {source}",
}
"""What the readers and the run remark, as they say it, and in Spanish; a test holds both sides together."""


def remark(said: str, lang: str) -> str:
    """A remark in the language of the page; one that is not known, such as a citation, stays as it was said.

    >>> remark("p0: 3 missing samples filled", "es")
    'p0: 3 muestras que faltaban, rellenadas'
    """
    if lang == "en":
        return said
    found = found_in(_REMARKS, said)
    if found is None:
        return said
    spanish, parts = found
    one, many = ("paciente", "pacientes") if parts.get("what") == "patient" else ("grupo", "grupos")
    return spanish.format(**parts, one=one, many=many)
