"""The Batch dock.

`widget` connects fields and work; `panel` lays them out; `form` turns choices into a plan; `run`
does the work in threads; `table` and `list` show the files; `progress` shows the run.
"""
