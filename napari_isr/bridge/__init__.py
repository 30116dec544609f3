"""Between napari and the library: layers to arrays and back, work in threads. No widgets.

`layers` turns a layer into an array with axes, and a result into a layer that covers its source.
`world` knows napari's units. `upscaling` is the one way to upscale from the plugin; it yields
progress. `trust_layers` makes layers of uncertainty and consistency. `events` says that a model
was added.
"""
