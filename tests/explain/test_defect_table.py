"""Defects as a table that a spreadsheet opens without running anything."""

from __future__ import annotations

from pathlib import Path

from brightfield.explain.defect_table import write_defects
from brightfield.verdict import Defect


def test_one_row_a_defect_and_no_formula(tmp_path: Path) -> None:
    pit = Defect("=pit", 12, 4.0, 10 / 3, (10.5, 7.0), (9, 5, 3, 4), 1.25, 0.75, mm_per_pixel=0.5)
    crack = Defect("crack", 3, 3.0, 1.0, (0.0, 1.0), (0, 0, 1, 3), 2.0)
    write_defects(tmp_path / "d.csv", ("image",), [(["-1.png"], [pit, crack]), (["clean.png"], [])])
    assert (tmp_path / "d.csv").read_text(encoding="utf-8").splitlines() == [
        "image,type,area_px,length_px,width_px,area_mm2,length_mm,width_mm,"
        "row,column,top,left,height,width,heat,probability",
        "'-1.png,'=pit,12,4.0,3.33333,3.0,2.0,1.66667,10.5,7.0,9,5,3,4,1.25,0.75",
        "'-1.png,crack,3,3.0,1.0,,,,0.0,1.0,0,0,1,3,2.0,",
    ]
