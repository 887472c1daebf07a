"""The page's words in English and Spanish."""

from __future__ import annotations

__all__ = ["LANGUAGES", "words"]

LANGUAGES = ("en", "es")

_WORDS = {
    "error_unit": ("mean error per step", "error medio por paso"),
    "skill_of": ("error saved against {reference} ({model})", "error ahorrado frente a {reference} ({model})"),
    "interval": ("95 % interval {low} to {high}", "intervalo del 95 %: {low} a {high}"),
    "no_interval": ("no interval: too few test forecasts", "sin intervalo: pocas pruebas"),
    "folds": ("test forecasts", "pronósticos de prueba"),
    "ahead": ("{n} steps ahead each", "de {n} pasos cada uno"),
    "last_row": ("last row of the data", "última fila de los datos"),
    "next": ("What comes next", "Qué viene"),
    "forecast_of": ("Forecast by {model} for the next {n} steps", "Pronóstico de {model} para los próximos {n} pasos"),
    "series": ("Series", "Serie"),
    "table": ("The forecast as a table", "El pronóstico en tabla"),
    "download": ("Download forecast.csv", "Descargar forecast.csv"),
    "more_rows": (
        "The first {n} rows; all are in forecast.csv.",
        "Las primeras {n} filas; todas están en forecast.csv.",
    ),
    "calibrated": (
        "Bands come from errors on past forecasts set aside for this.",
        "Las bandas salen de errores en pronósticos pasados reservados para ello.",
    ),
    "uncalibrated": (
        "Bands come from errors on the forecasts that also chose the model, so they may be a little too narrow.",
        "Las bandas salen de los errores de los mismos pronósticos que eligieron el modelo; pueden ser algo estrechas.",
    ),
    "adapted": (
        "They follow the errors of later forecasts as the answers come.",
        "Siguen los errores de los pronósticos posteriores según llegan los valores.",
    ),
    "pooled": (
        "Each step has few of them ({n}), so that all steps share theirs.",
        "Cada paso tiene pocos ({n}), así que todos comparten los suyos.",
    ),
    "few_scores": (
        "So few cannot promise a share of 95 %.",
        "Tan pocos no pueden asegurar un 95 %.",
    ),
    "held": (
        "In the test, the {level} % band held {share} of the answers ({low} to {high} with 95 % certainty): {word}.",
        "En la prueba, la banda del {level} % contuvo el {share} de los valores (de {low} a {high} con una certeza del 95 %): {word}.",
    ),
    "held_alone": (
        "In the test, the {level} % band held {share} of the answers.",
        "En la prueba, la banda del {level} % contuvo el {share} de los valores.",
    ),
    "as named": ("it covers what it says", "cubre lo que dice"),
    "too narrow": ("it does not cover what it says, it is too narrow", "no cubre lo que dice, es demasiado estrecha"),
    "too wide": ("it covers more than it says, it is too wide", "cubre más de lo que dice, es demasiado ancha"),
    "too few to tell": ("too few test forecasts to tell", "muy pocas pruebas para saberlo"),
    "bands": ("Intervals of all models", "Intervalos de todos los modelos"),
    "bands_said": (
        "Share of the answers that each interval held, with a 95 % interval by test forecast, and its mean width. WQL is the mean "
        "error of all quantiles over the mean size of the answers: lower is better.",
        "Parte de los valores que cada intervalo contuvo, con un intervalo del 95 % por prueba, y su anchura media. WQL es el error "
        "medio de todos los cuantiles entre el tamaño medio de los valores: cuanto menor, mejor.",
    ),
    "band": ("{level} % held", "{level} % contuvo"),
    "width": ("width", "anchura"),
    "explained": ("What it leans on", "En qué se apoya"),
    "explained_said": (
        "How much the error of {n} test forecasts grows when one thing is taken from another of them; bars are 95 % intervals, grey "
        "where it may be nothing. Things that go together share what they are worth.",
        "Cuánto crece el error de {n} pronósticos de prueba si una cosa se toma de otro de ellos; las barras son intervalos del 95 %, "
        "en gris donde puede no ser nada. Lo que va junto comparte su valor.",
    ),
    "tuning": ("The search for options", "La búsqueda de opciones"),
    "tuning_said": (
        "Every trial trained once on the rows before the folds that choose, and was scored on those folds alone; the test had no part "
        "in it. Trial 1 has the options as they were given.",
        "Cada ensayo entrenó una vez con las filas anteriores a los cortes de elección y se midió solo en ellos; la prueba no "
        "intervino. El ensayo 1 tiene las opciones tal como se dieron.",
    ),
    "trials": ("{name}: the best of {n} trials", "{name}: los mejores de {n} ensayos"),
    "trial": ("Trial", "Ensayo"),
    "options": ("Options", "Opciones"),
    "options_again": ("The best ones by name:", "Las mejores, por su nombre:"),
    "leaderboard": ("All models compared", "Todos los modelos comparados"),
    "leaderboard_said": (
        "Each dot is how much smaller a model's error is than that of {reference} (grey line); the bar is its 95 % "
        "interval. Left of the line is worse.",
        "Cada punto es cuánto menor es el error de un modelo que el de {reference} (línea gris); la barra es su "
        "intervalo del 95 %. A la izquierda de la línea es peor.",
    ),
    "model": ("Model", "Modelo"),
    "time": ("Time", "Tiempo"),
    "shown": ("Shown?", "¿Demostrado?"),
    "against": ("Against {reference}", "Frente a {reference}"),
    "tested": ("How it was tested", "Cómo se probó"),
    "tested_said": (
        "Every forecast was made with the rows up to its cutoff only and compared with what came after. {select} folds "
        "chose the model, {report} others tested it.",
        "Cada pronóstico se hizo solo con las filas hasta su corte y se comparó con lo que vino después. {select} "
        "cortes eligieron el modelo y otros {report} lo probaron.",
    ),
    "tested_alone": (
        "Every forecast was made with the rows up to its cutoff only and compared with what came after.",
        "Cada pronóstico se hizo solo con las filas hasta su corte y se comparó con lo que vino después.",
    ),
    "select": ("choosing", "elección"),
    "calibrate": ("bands", "bandas"),
    "report": ("test", "prueba"),
    "by_step": ("Error by step ahead", "Error por paso"),
    "by_fold": ("Error by test forecast over time", "Error de cada prueba en el tiempo"),
    "worst": ("The worst test forecasts of {model}", "Las peores pruebas de {model}"),
    "by_item": ("Error by series", "Error por serie"),
    "cutoff": ("Cutoff", "Corte"),
    "copies": ("Does it only copy?", "¿Solo copia?"),
    "copies_said": (
        "A network that repeats yesterday looks perfect in a picture. This is the distance of its one-step forecasts to "
        "the value of today (0), of yesterday (1) and so on: lowest at 1 means that it follows instead of leading.",
        "Una red que repite el ayer parece perfecta en un gráfico. Esta es la distancia de sus pronósticos a un paso con "
        "el valor de hoy (0), de ayer (1), etc.: si es mínima en 1, va detrás en vez de delante.",
    ),
    "distance": ("distance / usual change", "distancia / cambio usual"),
    "rows_before": ("rows before", "filas antes"),
    "learning": ("How the networks learned", "Cómo aprendieron las redes"),
    "learning_said": (
        "Loss on the training rows and on the tail kept aside to stop in time. The dot marks the weights that were kept. "
        "A gradient norm that runs to zero or explodes would show below.",
        "Pérdida en las filas de entrenamiento y en la cola reservada para parar a tiempo. El punto marca los pesos que se "
        "guardaron. Un gradiente que se anula o explota se vería debajo.",
    ),
    "train": ("training", "entrenamiento"),
    "valid": ("validation", "validación"),
    "gradient": ("gradient norm", "norma del gradiente"),
    "steps": ("training steps", "pasos de entrenamiento"),
    "loss": ("loss", "pérdida"),
    "data": ("The data", "Los datos"),
    "rerun": ("How to run this again", "Cómo repetirlo"),
    "rows": ("Rows", "Filas"),
    "target": ("Target", "Objetivo"),
    "frequency": ("Frequency", "Frecuencia"),
    "span": ("From, to", "Desde, hasta"),
    "missing": ("Missing values", "Valores ausentes"),
    "gaps": ("Instants without a row", "Instantes sin fila"),
    "season": ("Season", "Estación"),
    "remarks": ("Remarks", "Observaciones"),
    "longest_gaps": ("Longest gaps", "Huecos más largos"),
    "jumps": ("Split-like jumps", "Saltos como de split"),
    "failed": ("failed", "falló"),
    "skipped": ("skipped", "omitido"),
    "actual": ("actual", "real"),
    "start": ("Start", "Inicio"),
    "end": ("End", "Fin"),
    "date": ("Time", "Momento"),
    "forecast": ("Forecast", "Pronóstico"),
    "low95": ("95 % low", "95 % inf."),
    "high95": ("95 % high", "95 % sup."),
    "low80": ("80 % low", "80 % inf."),
    "high80": ("80 % high", "80 % sup."),
    "mase_said": (
        "MASE is the mean error divided by the mean change of the series over one season before the cutoff: below 1 is "
        "better than the usual change.",
        "MASE es el error medio dividido entre el cambio medio de la serie en una estación antes del corte: menos de 1 es "
        "mejor que el cambio usual.",
    ),
    "msse_said": (
        "MSSE is the mean squared error divided by the mean squared change of the series over one season before the cutoff: "
        "below 1 is better than the usual change.",
        "MSSE es el error cuadrático medio dividido entre el cambio cuadrático medio de la serie en una estación antes del corte: "
        "menos de 1 es mejor que el cambio usual.",
    ),
    "board_said": (
        "Time is fitting plus all forecasts. p counts that several models are looked at (Holm), but for the one test that was "
        "chosen beforehand.",
        "El tiempo es ajustar más todos los pronósticos. p cuenta que se miran varios modelos (Holm), salvo en la prueba elegida "
        "de antemano.",
    ),
    "why": ("Why this model", "Por qué este modelo"),
    "no_forecast": (
        "This run tested models and made no forecast.",
        "Esta ejecución probó modelos y no hizo pronóstico.",
    ),
    "made_with": ("Made with forecastkit {version} on {platform}", "Hecho con forecastkit {version} en {platform}"),
    "units": ("in {units}", "en {units}"),
    "units_of": ("in units of {target}", "en unidades de {target}"),
    "versions": ("Versions", "Versiones"),
    "seed": ("Seed", "Semilla"),
    "fingerprint": ("Data fingerprint (SHA-256)", "Huella de los datos (SHA-256)"),
    "settings": ("Configuration and plan", "Configuración y plan"),
    "final": ("Final model", "Modelo final"),
    "how_it_did": ("How it would have done: {item}", "Cómo habría ido: {item}"),
    "residual": ("actual minus forecast", "real menos pronóstico"),
    "mean": ("mean", "media"),
    "pareto_title": ("Error against time", "Error frente a tiempo"),
    "pareto": ("Nothing is both quicker and better than", "Nada es a la vez más rápido y mejor que"),
    "seconds_spent": ("seconds spent on fitting and all forecasts (log)", "segundos de ajuste y pronósticos (log)"),
    "time_memory": ("Time and memory", "Tiempo y memoria"),
    "fitting": ("Fitting", "Ajuste"),
    "forecasting": ("All forecasts", "Todos los pronósticos"),
    "peak": ("Process peak so far, MiB", "Pico del proceso hasta ahí, MiB"),
    "ranks": ("Mean rank over series", "Rango medio sobre las series"),
    "ranks_said": (
        "1 is best. Models whose bars overlap cannot be told apart over {n} series (Friedman test {p}, Nemenyi's critical "
        "difference {cd}). Series that move together make this look surer than it is.",
        "1 es lo mejor. Los modelos cuyas barras se solapan no se distinguen sobre {n} series (prueba de Friedman {p}, "
        "diferencia crítica de Nemenyi {cd}). Si las series se mueven juntas, parece más seguro de lo que es.",
    ),
    "money": ("In your money", "En tu dinero"),
    "cost_point": ("Mean cost of the forecast", "Coste medio del pronóstico"),
    "cost_best": ("decided by the quantile {tau}", "decidido por el cuantil {tau}"),
    "sort": ("Sort by {head}", "Ordenar por {head}"),
    "rule": ("Rule", "Regla"),
    "return": ("Return", "Rentabilidad"),
    "drawdown": ("Worst fall", "Peor caída"),
    "trades": ("Trades", "Operaciones"),
    "invested": ("Time invested", "Tiempo invertido"),
    "skip": ("Skip to the forecast", "Ir al pronóstico"),
}


def words(lang: str) -> dict[str, str]:
    """Key -> text.

    >>> words("es")["folds"]
    'pronósticos de prueba'
    """
    k = LANGUAGES.index(lang)
    return {key: pair[k] for key, pair in _WORDS.items()}
