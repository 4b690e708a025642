"""The numbers for types of elements, classes of arrays and their flags in MATLAB v5 files.

Source: The MathWorks, MAT-File Format, chapter 1 (level 5).
"""

from __future__ import annotations

MATRIX = 14
CELL, STRUCT, CHAR, OPAQUE = 1, 2, 4, 17
UNSUPPORTED = {3: "an object", 5: "a sparse matrix", 16: "a function handle", OPAQUE: "an object"}
#: What numbers are stored as, by the type of their element, and what they are, by MATLAB class.
STORED = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
#: Bytes of a unit and encoding of text, by the type of its element.
TEXTS = {
    1: (1, "latin-1"), 2: (1, "latin-1"), 3: (2, "utf-16"), 4: (2, "utf-16"),
    16: (1, "utf-8"), 17: (2, "utf-16"), 18: (4, "utf-32"),
}  # fmt: skip
IS_COMPLEX, IS_LOGICAL = 0x0800, 0x0200
