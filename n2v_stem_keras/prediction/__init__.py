"""From a trained network to denoised movies.

`predictor` is the face that a trained and an exported model have in common. `whole` denoises
movies, `lazily` dask arrays, `signals` HyperSpy's, `stream` frames as they come. All stand on
`tiles`, which applies a network to frames, and on `engines`, which run it. `convert` makes the ONNX
graph that most engines need; `ahead` reads the next frames meanwhile.
"""
