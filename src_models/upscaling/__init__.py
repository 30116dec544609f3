"""An array through an engine, tile by tile: at once, lazily, with uncertainty.

`predict` is the front door (`upscale`). `tiles` decides on tiles, reads and writes them;
`pipeline` runs them, the network in one thread, reading and writing in another.
`intensity_ranges` measures each channel's range first. `back_projection` preserves intensities.
`lazy` does the same block by block (`blocks`) for dask arrays. `assessment` and `uncertainty` add
how far to trust the result. `overlap` measures how much context a model needs.
"""
