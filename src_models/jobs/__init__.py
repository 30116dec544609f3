"""Long work on files that survives interruption: folders and OME-Zarr.

`batch` upscales many files: `batch_plan` lists inputs and outputs, `batch_file` processes one,
`batch_events` are the settings and what is reported, `batch_journal` knows what is finished.
`zarr` upscales one image into an OME-Zarr file: `zarr_target` checks and locks the path,
`zarr_blocks` writes block by block, `zarr_resume` resumes. `provenance` records how a result was
made, `fingerprint` recognises a source.
"""
