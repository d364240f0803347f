"""From noisy movies to a model folder.

`plan` says what a training would do, `run` carries it out; `loop` is the Keras model that trains
blind, with its callbacks; `data` cuts samples from movies, `masking` makes their blind spots,
`losses` reads them; `checkpoint` is what a training resumes from, `devices` divides it among GPUs.
"""
