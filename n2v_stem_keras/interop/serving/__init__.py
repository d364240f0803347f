"""Frames in, denoised frames out over TCP: `n2v-stem serve`, and a client for other Pythons.

`wire` is the format of messages, `server` listens, `connection` serves one client, `tokens` says
who may come in, `limits` what they may do there. `client`
stands alone: numpy and socket, nothing of this package, so that it can be copied into the Python of
a microscope's program.
"""
