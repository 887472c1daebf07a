"""Sound inputs to damage, and a damage that reaches further than random bytes."""

from __future__ import annotations

import numpy as np

__all__ = ["CONFIGS", "TABLES", "mutate"]


def _rows(line: str, n: int = 30) -> bytes:
    return "".join(line.format(k=k, d=f"2024-01-{k % 28 + 1:02d}", v=50 + k % 7) for k in range(n)).encode()


TABLES = [
    b"date,y\n" + _rows("{d},{v}.5\n", 28),
    b"store;date;sales\n" + _rows("a;{d};{v},5\n", 28),
    b"id\tt\tv\n" + _rows("x\t{k}\t{v}\n"),
    b"\xef\xbb\xbfdate,open,close\r\n" + _rows("{d},{v},{v}.25\r\n", 28),
    b'"when","name","n"\n' + _rows('"{d} 10:00","a ""b"" c",{v}\n', 28),
    b"date,a,b,c\n" + _rows("{d},{v},,{k}\n", 28),
    b"# note\n# note\nyear,month,value\n" + _rows("20{k:02d},1,{v}e2\n"),
    "date,ß\n".encode("utf-16") + _rows("{d},{v}\n", 28).decode().encode("utf-16-le"),
    b"date,y\n" + _rows("{d}T00:00:00+01:00,{v}%\n", 28),
    b"date,y\n" + _rows("{d},\xe2\x82\xac 1.{v}0,5\n".encode("latin-1").decode("latin-1"), 28),
    b"y\n" + _rows("{v}\n", 40),
]
CONFIGS = [
    b"horizon: 5\nmodels: [lstm, gru]\nseed: 3\n",
    b"data:\n  path: d.csv\n  freq: D\nmodels:\n  lstm: {hidden: 8, lr: 1e-3}\nevaluation:\n  n_report: 5\n  refit: every\n",
    b"version: 1\nname: x\nbaselines: naive\ncost: over=1,under=4\nfee: 10\nlang: es\nthreads: 2\n",
]
TOKENS = [
    b"\n", b"\r", b",", b";", b'"', b"\x00", b"\xff", b"NaN", b"inf", b"-", b"1e999", b"9" * 400, b"2024-13-45", b"=1+1",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\\", b"'", b"{", b"[", b"&a", b"*a", b"!!python/name:os.system", b": ", b"\t", b"#",
    b"1/0", b"NULL", b"\xe2\x80\xa8", b"24:00", b"00:00:60", b"+99:99", b"0000-00-00", b"9999-12-31", b"true", b"~", b"%",
]  # fmt: skip


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """One to six, mostly one, of: a byte changed, a token put in, a part cut out, doubled or moved, a line repeated."""
    data = bytearray(content)
    for _ in range(1 if rng.random() < 0.6 else int(rng.integers(2, 7))):
        at = int(rng.integers(0, len(data) + 1))
        size = int(rng.integers(1, 40))
        kind = int(rng.integers(0, 7))
        if kind == 0 and at < len(data):
            data[at] = int(rng.integers(0, 256))
        elif kind == 1:
            data[at:at] = TOKENS[int(rng.integers(0, len(TOKENS)))]
        elif kind == 2:
            del data[at : at + size]
        elif kind == 3:
            data[at:at] = data[at : at + size] * int(rng.integers(1, 4))
        elif kind == 4:
            part = data[at : at + size]
            del data[at : at + size]
            to = int(rng.integers(0, len(data) + 1))
            data[to:to] = part
        elif kind == 5:
            lines = bytes(data).split(b"\n")
            k = int(rng.integers(0, len(lines)))
            lines[k:k] = [lines[k]] * int(rng.integers(1, 4))
            data = bytearray(b"\n".join(lines))
        else:
            token = TOKENS[int(rng.integers(0, len(TOKENS)))]
            data[at : at + len(token)] = token
    return bytes(data)
