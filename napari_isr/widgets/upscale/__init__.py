"""The Upscale dock.

`widget` connects fields and work; `panel` lays the fields out; `form` turns choices into a job;
`layer_choice` picks layer and axes; `advice` shows warnings; `progress` shows the run.
"""
