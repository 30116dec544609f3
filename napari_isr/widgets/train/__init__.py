"""The Train dock.

`widget` connects fields and work; `panel` lays the fields out, with `fields`, `plots` and
`preview`; `form` turns choices into settings; `thread` trains in the background; `progress` shows
the run.
"""
