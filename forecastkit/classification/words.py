"""What the features of beats and rhythms are called, English and Spanish, for people who read a report."""

from __future__ import annotations

__all__ = ["BEAT_WORDS", "RHYTHM_WORDS"]

BEAT_WORDS = {
    "rr_before": ("interval before, against the usual", "intervalo anterior, frente al usual"),
    "rr_after": ("interval after, against the usual", "intervalo posterior, frente al usual"),
    "rr_before_2": ("interval before the beat before", "intervalo anterior al latido anterior"),
    "rr_after_2": ("interval after the beat after", "intervalo posterior al latido posterior"),
    "rr_ratio": ("interval before over interval after", "intervalo anterior entre el posterior"),
    "rr_change": ("interval before over the one before it", "intervalo anterior entre el precedente"),
    "match": ("QRS likeness to the median beat", "parecido del QRS al latido mediano"),
    "match_before": ("QRS likeness to the beat before", "parecido del QRS al latido anterior"),
    "match_after": ("QRS likeness to the beat after", "parecido del QRS al latido posterior"),
    "difference": ("distance to the median beat", "distancia al latido mediano"),
    "height": ("peak against the median beat", "pico frente al latido mediano"),
    "depth": ("trough against the median beat", "valle frente al latido mediano"),
    "span": ("QRS height", "altura del QRS"),
    "area": ("QRS area", "área del QRS"),
    "width": ("QRS width", "anchura del QRS"),
    "slope": ("QRS steepness", "pendiente del QRS"),
    "p_wave": ("P wave likeness to the median beat", "parecido de la onda P al latido mediano"),
    "t_match": ("T wave likeness to the median beat", "parecido de la onda T al latido mediano"),
    "t_size": ("T wave height", "altura de la onda T"),
    "early_energy": ("unrest before the QRS", "inquietud antes del QRS"),
}
RHYTHM_WORDS = {
    "rr_mean": ("mean RR interval", "intervalo RR medio"),
    "rr_cv": ("spread of the RR intervals", "dispersión de los intervalos RR"),
    "rr_rmssd": ("change from beat to beat (RMSSD)", "cambio de latido a latido (RMSSD)"),
    "rr_turns": ("how often the intervals turn", "cuántas veces cambian de sentido los intervalos"),
    "rr_spread": ("range of the RR intervals", "rango de los intervalos RR"),
    "p_height": ("height of the median P wave", "altura de la onda P mediana"),
    "p_match": ("P wave likeness from beat to beat", "parecido de la onda P entre latidos"),
    "p_steady": ("spread of that likeness", "dispersión de ese parecido"),
    "f_energy": ("unrest where the P wave should be", "inquietud donde debería estar la onda P"),
}
