"""The Compare dock.

`widget` connects fields and work; `panel` lays them out; `choices` picks layers, `matching` checks
that they match; `request` and `measure` compute; `table`, `plots`, `curves` and `lines` show
numbers; `views`, `canvas_views` and `canvas_cut` show layers next to each other.
"""
