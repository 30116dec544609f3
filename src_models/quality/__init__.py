"""Numbers about images and results. Runs no network.

`metrics` (PSNR, SSIM), `resolution` (Fourier ring correlation, decorrelation), `noise` and
`consistency` (does the result, shrunk by the `forward_model`, match its input within the noise?)
measure. `image_checks` warns about unsuitable input, with `saturation`, `annotations`, `jpeg_grid`
and `oversampling`. `comparison` puts results next to each other. `expected_error` maps an
uncertainty to an error.
"""
