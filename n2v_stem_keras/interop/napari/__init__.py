"""Plugin of the viewer napari: reads movies, denoises, trains, finds atoms (extra ``napari``).

`napari.yaml` tells napari what there is. `reader` makes layers of movies, `layers` movies of
layers, `writer` files of layers; `denoise`, `train` and `atoms` are the widgets, made of what
`model_chooser`, `detector_chooser` and `job` share. The computing is done by `work` in another
process (`process`, `child`).
"""
