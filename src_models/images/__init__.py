"""Images as arrays with axes, intensities and tiles, and in files. No model in sight.

`axes` says what an array's dimensions mean and cuts it into planes (`ImageStack`). `intensity`
maps stored values to [0, 1] and back. `tiling` says where tiles are read, padded and written.
`degradation` makes low-resolution images of high-resolution ones. `picture` is an image with what
its file says about it (axes, pixel sizes, channels); `io` reads and writes any file by its suffix,
with `tiff_reading`, `tiff_writing`, `raster` (PNG, JPEG) and `ome_zarr` behind it.
"""
